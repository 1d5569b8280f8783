"""Learning-rate schedules as pure functions of the step, so that a resumed run needs no state of theirs."""

from __future__ import annotations

import math
from typing import Literal

from coldframe.errors import InputError

Schedule = Literal["constant", "cosine", "linear"]


def factor(schedule: Schedule, step: int, total: int, warmup: int = 0) -> float:
    """Return the factor on the learning rate at one step.

    During warm-up: (step + 1) / warmup. After it, with t = (step - warmup) / (total - warmup): ``constant`` 1,
    ``linear`` 1 - t, ``cosine`` (1 + cos(pi t)) / 2, which is the form of Bahng et al. (2022).

    Args:
        schedule: its name.
        step: 0 .. total-1.
        total: steps of the whole run.
        warmup: steps of linear warm-up.

    Example:
        >>> [factor("cosine", step, 10, warmup=2) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    raise InputError(f"expected a schedule of constant, cosine, linear, found {schedule!r}")
