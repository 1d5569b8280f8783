"""What decides a run of the training loop besides its data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from coldframe.errors import InputError, nearest
from coldframe.training.optimisers import Optimiser
from coldframe.training.schedules import Schedule


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
        for name, known in (("optimiser", get_args(Optimiser)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in known:
                raise InputError(f"unknown {name} {getattr(self, name)!r}{nearest(str(getattr(self, name)), known)}")
        leasts = {"epochs": 1, "batch_size": 1, "patience": 1, "warmup": 0, "momentum": 0, "weight_decay": 0}
        for name, least in leasts.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise InputError(f"expected {name} of {least} or more, found {name}={value}")
        for name in ("lr", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"expected {name} to be a number above 0, found {name}={value}")
