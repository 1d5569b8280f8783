"""The one loop for whatever is warm: shuffled batches, schedule, best by validation, early stopping, exact resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import InputError, MissingPackage, TrainingError
from coldframe.training import checkpoint
from coldframe.training.checkpoint import Progress
from coldframe.training.lifetime import Lifetime
from coldframe.training.optimisers import Group, build
from coldframe.training.ranks import here
from coldframe.training.recipe import Recipe
from coldframe.training.schedules import factor
from coldframe.training.sharded import whole
from coldframe.types import digest_of

METRICS = "metrics.jsonl"
Validation = float | tuple[float, float]
"""A value that is better when larger, alone or before a loss: among equal values the lower loss is better."""


@dataclass
class Result:
    """What a run of the loop gives back: its history, the epoch whose state was kept, and the seconds it took.

    ``best`` and ``best_loss`` are the validation value and loss of that epoch; None without them. ``failed`` says why a run
    beside others stopped early (:func:`coldframe.training.stacked.train_stacked`); a run alone raises instead.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best: float | None = None
    best_loss: float | None = None
    seconds: float = 0.0
    failed: str = ""


def order(seed: int, epoch: int, n: int) -> Tensor:
    """Return the order of the items in one epoch, permutation(seed, epoch) [n]."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def better(value: float, loss: float | None, best: float | None, best_loss: float | None) -> bool:
    """Return whether a validation value beats the best so far: larger, or equal with a lower loss."""
    if best is None or value != best:
        return best is None or value > best
    return loss is not None and best_loss is not None and loss < best_loss


def train(
    parameters: Mapping[str, Tensor],
    loss: Callable[[Tensor, int], Tensor],
    n: int,
    recipe: Recipe,
    *,
    groups: Sequence[Group] | None = None,
    validate: Callable[[], Validation] | None = None,
    run: Path | None = None,
    key: str = "",
    save_seconds: float = 30.0,
    report: Callable[[dict[str, Any]], None] | None = None,
    tensorboard: bool = False,
    stop: int | None = None,
) -> Result:
    """Train ``parameters`` in place; they end at the best validation value, or at the last step without validation.

    A run that is killed at any moment and started again ends at the same bits as one that is not, as long as ``loss``
    depends on its arguments and the parameters alone: random choices in it are functions of (seed, epoch, index).

    Among processes that have joined (:func:`coldframe.training.ranks.joined`) each computes its part of every batch, and the
    first one alone validates, writes and reports; all end with the same parameters.

    Args:
        parameters: what is trained, by name; tensors that need no gradient, such as running statistics, are kept and
            restored with the others.
        loss: (indices [b], epoch) -> mean loss of these items, a scalar.
        n: number of training items.
        recipe: settings.
        groups: learning-rate groups over the same tensors; one group when None.
        validate: returns a value that is better when larger, alone or with a loss; called after every epoch. Of epochs with
            equal values the one with the lowest loss is kept, without a loss the first.
        run: folder for ``checkpoint.safetensors`` and ``metrics.jsonl``; a run found there goes on where it stood.
        key: digest of settings, data and weights; the recipe, the groups and the shapes are added to it here.
        save_seconds: time between checkpoints; one is written at the end as well.
        report: called with each epoch's metrics.
        tensorboard: also write TensorBoard events (needs the ``track`` extra) under ``run``.
        stop: end after this many epochs, 0 or more, on the schedule of all of them; None runs them all.

    Raises:
        TrainingError: the loss, a parameter or the validation value is not finite; the parameters are then at the best
            validation value so far, or where they started without one.
        InputError: ``run`` holds another run, there is nothing to train on, or the training would take more than ten years.
    """
    if n < 1:
        raise InputError(f"expected at least one training item, found n={n}")
    if tensorboard and run is None:
        raise InputError("expected a folder for the run beside tensorboard=True, found none; name one with run")
    groups = groups or [Group(list(parameters.values()))]
    optimiser = build(recipe.optimiser, groups, recipe.lr, recipe.momentum, recipe.weight_decay)
    peaks = [group["lr"] for group in optimiser.param_groups]
    progress, best = Progress(), None
    if run is not None:
        key = _full_key(key if stop is None else f"{key} {stop}", parameters, n, recipe, groups, validate is not None)
        progress, best = checkpoint.restore(run, key, parameters, optimiser) or (progress, best)
    ranks = here()
    ranks.wait()  # all have read what is there before the first one writes
    own = run if ranks.first else None
    writes = run is not None and (ranks.first or bool(ranks.sharded))
    if own is not None:
        _agree(own, progress)
    part = ranks.spread(parameters, loss)
    start = _copy(parameters) if best is None else None
    end = recipe.epochs if stop is None else min(stop, recipe.epochs)
    steps = math.ceil(n / recipe.batch_size)
    total = steps * recipe.epochs
    warmup = min(recipe.warmup, total // 10)
    saved = started = time.monotonic()
    before = progress.seconds
    events = _events(own, progress.step) if tensorboard and own is not None else None

    def checked(what: str, number: float, step: int) -> float:
        if math.isfinite(number):
            return number
        _load(parameters, best or start)
        kept = f"the state after epoch {progress.best_epoch} is kept" if best else "the state before training is kept"
        raise TrainingError(
            f"expected {what} to stay finite, found {number} at step {step} (epoch {progress.epoch + 1}, learning "
            f"rate {optimiser.param_groups[0]['lr']:.3g}); {kept}: choose a smaller learning rate"
        )

    lifetime, begun = Lifetime(steps * end - progress.step, end), progress.step
    while not _finished(progress, recipe, end):
        permutation = order(recipe.seed, progress.epoch, n)
        for position in range(progress.step - progress.epoch * steps, steps):
            items = permutation[position * recipe.batch_size : (position + 1) * recipe.batch_size]
            rate = factor(recipe.schedule, progress.step, total, warmup)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            optimiser.zero_grad(set_to_none=True)
            mean = part(items, progress.epoch)
            number = checked("the loss", ranks.mean(mean), progress.step + 1)
            mean.backward()  # type: ignore[no-untyped-call]
            if recipe.clip is not None:
                torch.nn.utils.clip_grad_norm_(list(parameters.values()), recipe.clip)
            optimiser.step()
            progress.step += 1
            progress.loss_sum += number * len(items)
            progress.seen += len(items)
            lifetime.check(progress.step - begun)
            progress.seconds = before + time.monotonic() - started
            if writes and position + 1 < steps and ranks.agree(time.monotonic() - saved >= save_seconds):
                checkpoint.save(own, key, progress, parameters, optimiser, best)
                saved = time.monotonic()

        total_weight = sum(float(whole(value.detach().abs().sum(dtype=torch.float64))) for value in parameters.values())
        checked("every weight", total_weight, progress.step)
        metrics: dict[str, Any] = {"epoch": progress.epoch + 1, "step": progress.step}
        metrics |= {"loss": progress.loss_sum / progress.seen, "lr": optimiser.param_groups[0]["lr"]}
        if validate is not None:
            with torch.no_grad():
                found = ranks.measured(validate)
            value, among_equals = found if isinstance(found, tuple) else (found, None)
            metrics["val"] = checked("the validation value", float(value), progress.step)
            if among_equals is not None:
                metrics["val_loss"] = checked("the validation loss", float(among_equals), progress.step)
            if better(metrics["val"], metrics.get("val_loss"), progress.best, progress.best_loss):
                progress.best, progress.best_loss = metrics["val"], metrics.get("val_loss")
                progress.best_epoch = progress.epoch + 1
                best, start = _copy(parameters), None
        progress.seconds = before + time.monotonic() - started
        metrics["seconds"] = round(progress.seconds, 3)
        progress.epoch += 1
        progress.loss_sum, progress.seen = 0.0, 0
        progress.history.append(metrics)
        if writes and ranks.agree(_finished(progress, recipe, end) or time.monotonic() - saved >= save_seconds):
            checkpoint.save(own, key, progress, parameters, optimiser, best)
            saved = time.monotonic()
        if own is not None:
            files.append_line(own / METRICS, json.dumps(metrics))
        if events is not None:
            for name in ("loss", "val", "val_loss", "lr"):
                if name in metrics:
                    events.add_scalar(name, metrics[name], progress.step)
            events.flush()
        if report is not None and ranks.first:
            report(metrics)

    if events is not None:
        events.close()
    _load(parameters, best)
    epoch = progress.best_epoch or progress.epoch
    return Result(progress.history, epoch, progress.best, progress.best_loss, progress.seconds)


def _full_key(
    key: str, parameters: Mapping[str, Tensor], n: int, recipe: Recipe, groups: Sequence[Group], validated: bool
) -> str:
    shapes = [[name, list(value.shape), str(value.dtype)] for name, value in parameters.items()]
    settings = [[len(group.parameters), group.scale, group.decay] for group in groups]
    return digest_of([key, asdict(recipe), n, shapes, settings, validated])


def _finished(progress: Progress, recipe: Recipe, end: int) -> bool:
    waited = progress.epoch - progress.best_epoch if progress.best_epoch else 0
    return progress.epoch >= end or (recipe.patience is not None and waited >= recipe.patience)


def _copy(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in parameters.items()}


def _load(parameters: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
    if state is not None:
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(state[name])


def _agree(run: Path, progress: Progress) -> None:
    """Make the log agree with the checkpoint: a kill may fall between the two."""
    if progress.history or (run / METRICS).exists():
        files.write_text(run / METRICS, "".join(json.dumps(row) + "\n" for row in progress.history))


def _events(run: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackage("TensorBoard logs need the package tensorboard; pip install 'coldframe[track]'") from error
    return SummaryWriter(str(run / "events"), purge_step=step + 1)
