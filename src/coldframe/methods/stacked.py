"""Several fits of one method at once: learning rates, penalties and other numbers side by side, for little more than one fit.

    runs = [method_class("clap")(backbone, lr=lr) for lr in (0.01, 0.03, 0.1)]
    fit_stacked(runs, data.train, data.val)
    best = best_of(runs)

Every run ends where its own ``fit`` would have ended it, to 1e-5 of its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import Activations, ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import views
from coldframe.methods.balance import Balanced
from coldframe.methods.trained import Trained
from coldframe.training.stacked import train_stacked

FREE = ("lr", "weight_decay", "clip")
"""Settings of the optimiser in which the runs may differ; a method adds its own in ``stackable``."""
MEMORY = 1 << 30
"""Most bytes that what one step keeps may take; more runs are trained one group after the other."""


def fit_stacked(
    runs: Sequence[Trained], train: Split, val: Split | None = None, *, cold: ColdPass | None = None, memory: int = MEMORY
) -> list[str]:
    """Fit methods of one kind that differ in numbers alone, each as its own ``fit`` would.

    Args:
        runs: unfitted, on one backbone, equal but for ``lr``, ``weight_decay``, ``clip`` and their ``stackable`` settings.
        train: what is learned from.
        val: what each run's epoch is chosen on.
        cold: the store.
        memory: bytes that a step may keep; runs that are too many for it are trained in groups.

    Returns:
        For each run why it stopped early, as a sentence; empty where it did not.

    Raises:
        InputError: the runs cannot stand beside each other; the sentence names the setting.
    """
    check(runs)
    runs[0].check_data(train, val if val is not None and len(val) else None)
    cold, first = cold or ColdPass(), runs[0]
    size = max(1, memory // max(1, first.stack_bytes(min(first.batch_size, len(train)))))
    failed: list[str] = []
    for at in range(0, len(runs), size):
        failed += _group(runs[at : at + size], train, val if val is not None and len(val) else None, cold)
    return failed


def best_of(runs: Sequence[Trained]) -> Trained:
    """Return the run with the best top-1 on ``val`` in its kept epoch, among equals the lowest cross-entropy, then the first.

    Raises:
        InputError: the runs had no validation images.
    """
    if any("validation" not in run.choices for run in runs):
        raise InputError("expected runs that were fitted with validation images, found some without")
    return max(runs, key=lambda run: (run.choices["validation"][0], -run.choices["validation"][1]))


def check(runs: Sequence[Trained]) -> None:
    """Refuse runs that cannot be trained side by side."""
    if not runs:
        raise InputError("expected at least one run, found none")
    first = runs[0]
    if not first.stacks:
        raise InputError(f"{first.name} cannot run stacked; fit its settings one after the other")
    free = (*FREE, *first.stackable)
    for run in runs[1:]:
        if type(run) is not type(first) or run.backbone is not first.backbone:
            raise InputError(f"expected runs of {first.name} on one model object, found {run.name} on {run.backbone.name}")
        other = [name for name, value in run.config().items() if value != first.config()[name] and name not in free]
        if other:
            raise InputError(f"expected runs of {first.name} to differ in {', '.join(free)} alone, found other {other[0]}")


def _group(runs: Sequence[Trained], train: Split, val: Split | None, cold: ColdPass) -> list[str]:
    first = runs[0]
    starts, kept_once = list[dict[str, Tensor]](), _Once(cold)
    for run in runs:
        run.classes = train.classes
        starts.append(run.begin_beside(first, train, kept_once) if starts else run.begin(train, kept_once))
    parameters = {name: torch.stack([start[name] for start in starts]).contiguous() for name in starts[0]}
    before = {name: value.clone() for name, value in parameters.items()}
    stored = first.stored(train, cold)
    labels = torch.from_numpy(train.labels).to(first.backbone.device)
    answer, penalty = first.beside(runs, parameters)

    balanced = Balanced.of(first.balance, labels, len(train.classes), first.seed)

    def losses(items: Tensor, epoch: int) -> Tensor:
        items = balanced.items(items, epoch)
        logits = answer(views.drawn(stored, items, epoch, first.seed))
        found = _cross_entropy(logits, labels[items], balanced.weights)
        return found if penalty is None else found + penalty()

    seen = None if val is None else cold.activations(first.backbone, val, first.cut)
    truth = None if val is None else torch.from_numpy(val.labels)

    @torch.no_grad()
    def answers() -> Tensor:
        assert seen is not None and truth is not None
        parts = [answer(seen.gather(rows)).float().cpu() for rows in torch.split(torch.arange(len(truth)), 64)]
        return torch.cat(parts, dim=1)  # [S, N, K]

    def scored(logits: Tensor) -> list[tuple[float, float]]:
        assert truth is not None
        right = (logits.argmax(-1) == truth).double().mean(1)
        return list(zip(right.tolist(), _cross_entropy(logits, truth).tolist(), strict=True))

    def validate() -> list[tuple[float, float]]:
        return scored(answers())

    first_answers = answers() if val is not None else None
    zeroth = None if first_answers is None else scored(first_answers)
    for value in parameters.values():
        value.requires_grad_(True)
    results = train_stacked(
        parameters, losses, len(train), [run.recipe for run in runs], validate=validate if val is not None else None
    )
    for value in parameters.values():
        value.requires_grad_(False)
    last_answers = answers() if val is not None else None
    for number, (run, result) in enumerate(zip(runs, results, strict=True)):
        epoch, kept = result.best_epoch, (result.best or 0.0, math.inf if result.best_loss is None else result.best_loss)
        if zeroth is not None and first_answers is not None and last_answers is not None and truth is not None:
            right, before_right = (torch.eq(found[number].argmax(-1), truth) for found in (last_answers, first_answers))
            if not run.beats(kept, right, zeroth[number], before_right):
                epoch, kept = 0, zeroth[number]
        if zeroth is not None and epoch == 0:
            for name, value in parameters.items():
                value[number] = before[name][number]
        run.finish({name: value[number].detach().clone() for name, value in parameters.items()})
        run.history, run._before = result.history, None if zeroth is None else zeroth[number]
        run.choices = {"epoch": epoch, "cut": run.cut, "cold": stored[0].note, **run.told()}
        run.choices["images"] = {"train": len(train), "val": 0 if val is None else len(val)}
        if val is not None:
            run.choices |= {"chosen on": val.name, "validation": kept}
            run.reached = kept
    if val is not None and truth is not None:
        for run, logits in zip(runs, answers(), strict=True):
            less = run.conclude(val, cold)
            run.choices["validation"] = run.reached
            run.keep_held(run.logits(val, cold=cold) if less else logits, truth, "validation images")
    return [result.failed for result in results]


class _Once(ColdPass):
    """A cold pass that finds each activation once for all runs."""

    def __init__(self, cold: ColdPass) -> None:
        self._cold, self._found = cold, dict[tuple[int, str, str], Activations]()

    def activations(self, backbone: Backbone, split: Split, cut: str, view: str = "plain") -> Activations:
        key = (id(split), cut, view)
        if key not in self._found:
            self._found[key] = self._cold.activations(backbone, split, cut, view)
        return self._found[key]


def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy of each run [S] of logits [S, B, K], each item with the weight of its class."""
    beside = logits.mT.contiguous()  # [S, K, B]: over few classes a softmax is faster across long rows than within short ones
    each = -functional.log_softmax(beside, 1).gather(1, labels.expand(len(logits), -1)[:, None])[:, 0]
    return (each if weights is None else each * weights.to(each)[labels]).mean(1)
