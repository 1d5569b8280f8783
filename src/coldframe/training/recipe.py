"""What decides a run of the training loop besides its data."""

from __future__ import annotations

from dataclasses import dataclass

from coldframe.training.optimisers import Optimiser
from coldframe.training.schedules import Schedule
from coldframe.values import check_fields


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

    Raises:
        InputError: a value is of another type or out of range.
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
        check_fields(self)
