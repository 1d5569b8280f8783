"""The one loop for whatever is warm: shuffled batches, schedule, best by validation, early stopping, exact resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import InputError, MissingPackage, TrainingError
from coldframe.training import checkpoint
from coldframe.training.checkpoint import Progress
from coldframe.training.optimisers import Group, Optimiser, build
from coldframe.training.schedules import Schedule, factor


@dataclass(frozen=True)
class Recipe:
    """Settings of the loop.

    Args:
        epochs: passes over the training items.
        batch_size: B; the last batch of an epoch may be smaller.
        lr: peak learning rate.
        optimiser: ``sgd``, ``adam`` or ``adamw``.
        momentum: of ``sgd``.
        weight_decay: of the parameters that decay.
        schedule: ``constant``, ``cosine`` or ``linear``, stepped at every batch.
        warmup: steps of linear warm-up; at most a tenth of the run when that is shorter.
        patience: stop after this many epochs without a better validation value; None never stops early.
        clip: largest norm of the gradient; None leaves it alone.
        seed: decides the order of the data.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 1e-3
    optimiser: Optimiser = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    warmup: int = 0
    patience: int | None = None
    clip: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"expected {name} of 1 or more, found {name}={getattr(self, name)}")


@dataclass
class Result:
    """What a run of the loop gives back: its history, the epoch whose state was kept, and the seconds it took."""

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best: float | None = None
    seconds: float = 0.0


def order(seed: int, epoch: int, n: int) -> Tensor:
    """Return the order of the items in one epoch, permutation(seed, epoch) [n]."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def train(
    parameters: Mapping[str, Tensor],
    loss: Callable[[Tensor, int], Tensor],
    n: int,
    recipe: Recipe,
    *,
    groups: Sequence[Group] | None = None,
    validate: Callable[[], float] | None = None,
    run: Path | None = None,
    key: str = "",
    save_seconds: float = 30.0,
    report: Callable[[dict[str, Any]], None] | None = None,
    tensorboard: bool = False,
) -> Result:
    """Train ``parameters`` in place; they end at the best validation value, or at the last step without validation.

    Args:
        parameters: what is trained, by name; they require gradients.
        loss: (indices [b], epoch) -> mean loss of these items, a scalar.
        n: number of training items.
        recipe: settings.
        groups: learning-rate groups over the same tensors; one group when None.
        validate: returns a value that is better when larger; called after every epoch.
        run: folder for ``checkpoint.safetensors`` and ``metrics.jsonl``; a run found there goes on where it stood.
        key: digest of settings, data and weights; a folder with another key is refused.
        save_seconds: time between checkpoints inside an epoch; one is written after each epoch as well.
        report: called with each epoch's metrics.
        tensorboard: also write TensorBoard events (needs the ``track`` extra) under ``run``.

    Raises:
        TrainingError: the loss is not finite; the parameters are at the best state so far.
        InputError: ``run`` holds another run.
    """
    optimiser = build(
        recipe.optimiser, groups or [Group(list(parameters.values()))], recipe.lr, recipe.momentum, recipe.weight_decay
    )
    peaks = [group["lr"] for group in optimiser.param_groups]
    progress, best = Progress(), None
    if run is not None:
        found = checkpoint.restore(run, key, parameters, optimiser)
        if found is not None:
            progress, best = found
            _rewrite_metrics(run, progress)
    steps = math.ceil(n / recipe.batch_size)
    total = steps * recipe.epochs
    warmup = min(recipe.warmup, total // 10)
    saved = started = time.monotonic()
    before = progress.seconds
    events = _events(run) if tensorboard and run is not None else None

    while progress.epoch < recipe.epochs and not _patient(progress, recipe.patience):
        permutation = order(recipe.seed, progress.epoch, n)
        for position in range(progress.step - progress.epoch * steps, steps):
            items = permutation[position * recipe.batch_size : (position + 1) * recipe.batch_size]
            rate = factor(recipe.schedule, progress.step, total, warmup)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            optimiser.zero_grad(set_to_none=True)
            value = loss(items, progress.epoch)
            number = float(value.detach())
            if not math.isfinite(number):
                _load(parameters, best)
                raise TrainingError(
                    f"the loss became {number} at step {progress.step + 1} (epoch {progress.epoch + 1}, learning rate "
                    f"{optimiser.param_groups[0]['lr']:.3g}); the best state so far is kept: choose a smaller learning rate"
                )
            value.backward()  # type: ignore[no-untyped-call]
            if recipe.clip is not None:
                torch.nn.utils.clip_grad_norm_(list(parameters.values()), recipe.clip)
            optimiser.step()
            progress.step += 1
            progress.loss_sum += number * len(items)
            progress.seen += len(items)
            progress.seconds = before + time.monotonic() - started
            if run is not None and position + 1 < steps and time.monotonic() - saved > save_seconds:
                checkpoint.save(run, key, progress, parameters, optimiser, best)
                saved = time.monotonic()

        metrics: dict[str, Any] = {"epoch": progress.epoch + 1, "step": progress.step}
        metrics |= {"loss": progress.loss_sum / progress.seen, "lr": optimiser.param_groups[0]["lr"]}
        if validate is not None:
            with torch.no_grad():
                metrics["val"] = validate()
            if progress.best is None or metrics["val"] > progress.best:
                progress.best, progress.best_epoch = metrics["val"], progress.epoch + 1
                best = {name: value.detach().clone() for name, value in parameters.items()}
        progress.seconds = before + time.monotonic() - started
        metrics["seconds"] = round(progress.seconds, 3)
        progress.epoch += 1
        progress.loss_sum, progress.seen = 0.0, 0
        progress.history.append(metrics)
        if run is not None:
            checkpoint.save(run, key, progress, parameters, optimiser, best)
            files.append_line(run / "metrics.jsonl", json.dumps(metrics))
            saved = time.monotonic()
        if events is not None:
            for name in ("loss", "val", "lr"):
                if name in metrics:
                    events.add_scalar(name, metrics[name], progress.step)
            events.flush()
        if report is not None:
            report(metrics)

    if events is not None:
        events.close()
    _load(parameters, best)
    return Result(progress.history, progress.best_epoch or progress.epoch, progress.best, progress.seconds)




def _patient(progress: Progress, patience: int | None) -> bool:
    return patience is not None and progress.best_epoch > 0 and progress.epoch - progress.best_epoch >= patience


def _load(parameters: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
    if state is not None:
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(state[name])


def _rewrite_metrics(run: Path, progress: Progress) -> None:
    """Make the log agree with the checkpoint: a kill may fall between the two."""
    files.write_text(run / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in progress.history))


def _events(run: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackage("TensorBoard logs need the package tensorboard; pip install 'coldframe[track]'") from error
    return SummaryWriter(str(run / "events"))
