"""Which of several methods to ship: accuracy first, within a margin that matters; then what it costs to serve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from coldframe.errors import InputError

Name = TypeVar("Name")
Standing = Literal["best", "equivalent", "undecided", "worse", "untested"]
"""How a method stands to the most accurate one."""
Reason = Literal["accuracy", "latency", "size", "training"]
"""What a recommendation was made by, last."""

MARGIN = 0.01
"""A difference in top-1 that does not matter in practice, unless told otherwise."""
AS_FAST = 1.1
"""Latencies within this ratio count as equal: less than another machine, batch or library would change."""
AS_SMALL = 1.1
"""Saved sizes within this ratio count as equal."""
HOURS = 3600.0
"""Training time in seconds from which it counts at all, against one that takes a tenth of it."""


@dataclass(frozen=True)
class Candidate(Generic[Name]):
    """A method that could be shipped.

    Args:
        name: what tells it apart.
        accuracy: mean top-1, a fraction.
        latency: milliseconds an image in use; None where it was not measured.
        size: bytes of what is saved; None where not known.
        training: seconds; None where nothing is trained or it is not known.
    """

    name: Name
    accuracy: float
    latency: float | None = None
    size: float | None = None
    training: float | None = None


@dataclass(frozen=True)
class Decision(Generic[Name]):
    """What to ship.

    Args:
        pick: the recommended method.
        best: that of the highest mean.
        standings: how each method stands to ``best``.
        reason: what decided last: accuracy alone, or a lower cost among the equivalent.
        margin: of practical equivalence.
    """

    pick: Name
    best: Name
    standings: dict[Name, Standing]
    reason: Reason
    margin: float

    def named(self, standing: Standing) -> list[Name]:
        """Return the methods of one standing."""
        return [name for name, found in self.standings.items() if found == standing]

    @property
    def sure(self) -> bool:
        """Whether every other method was found to be either equivalent to the best or worse."""
        return not self.named("undecided") and not self.named("untested")


def standing(low: float, high: float, margin: float) -> Standing:
    """Return how a method stands, from the interval [low, high] of its accuracy minus the best one's.

    Equivalent: the whole interval lies within ±margin. Worse: all of it lies below -margin. Else undecided.

    Example:
        >>> standing(-0.004, 0.006, 0.01), standing(-0.05, -0.02, 0.01), standing(-0.05, 0.0, 0.01)
        ('equivalent', 'worse', 'undecided')
    """
    if -margin <= low and high <= margin:
        return "equivalent"
    return "worse" if high < -margin else "undecided"


def decide(
    candidates: Sequence[Candidate[Name]],
    interval: Callable[[Name, Name], tuple[float, float] | None],
    *,
    margin: float = MARGIN,
) -> Decision[Name]:
    """Return which method to ship.

    The most accurate one is the best. The cheapest to serve of those equivalent to it, itself included, is recommended: by
    latency, then by saved size, and by training time only where it is hours against a tenth of that. What is undecided is not
    recommended: a method of a lower mean that may be worse by more than the margin is no bargain.

    Args:
        candidates: at least one, with different names.
        interval: (a, b) -> the interval of the accuracy of a minus that of b, or None where they were not compared.
        margin: the difference in accuracy that does not matter, a fraction in [0, 1).

    Raises:
        InputError: no candidates, or a margin that is none.

    Example:
        >>> slow, quick = Candidate("slow", 0.900, latency=9.0), Candidate("quick", 0.899, latency=1.0)
        >>> decide([slow, quick], lambda a, b: (-0.003, 0.001)).pick
        'quick'
        >>> decide([slow, quick], lambda a, b: (-0.03, 0.02)).pick
        'slow'
    """
    if not candidates:
        raise InputError("expected at least one method to decide on, found none")
    if not 0 <= margin < 1:
        raise InputError(f"expected a margin in [0, 1), found {margin}; one point is 0.01")
    top = min(candidates, key=lambda one: (-one.accuracy, *_cost(one)))
    found: dict[Name, Standing] = {}
    for one in candidates:
        ends = None if one is top else interval(one.name, top.name)
        found[one.name] = "best" if one is top else "untested" if ends is None else standing(*ends, margin)
    equal = [one for one in candidates if found[one.name] in ("best", "equivalent")]
    pick, reason = _cheapest(equal, top)
    return Decision(pick.name, top.name, found, reason, margin)


def _cost(one: Candidate[Name]) -> tuple[float, float, float]:
    unknown = math.inf
    return unknown if one.latency is None else one.latency, unknown if one.size is None else one.size, one.training or 0.0


def _cheapest(equal: list[Candidate[Name]], top: Candidate[Name]) -> tuple[Candidate[Name], Reason]:
    """Return the cheapest to serve and what it won by; the most accurate of those that cost the same."""
    left = equal
    reason: Reason = "accuracy"
    steps: tuple[tuple[Reason, list[float | None], float], ...] = (
        ("latency", [one.latency for one in equal], AS_FAST),
        ("size", [one.size for one in equal], AS_SMALL),
    )
    for name, values, ratio in steps:
        known = {id(one): value for one, value in zip(equal, values, strict=True) if value is not None and value >= 0}
        if any(id(one) not in known for one in left):
            continue  # what was not measured is neither cheap nor dear
        least = min(known[id(one)] for one in left)
        kept = [one for one in left if known[id(one)] <= ratio * least]
        reason = name if top in left and top not in kept else reason
        left = kept
    spent = {id(one): max(one.training or 0.0, 0.0) for one in left}
    quickest = min(spent.values())
    kept = [one for one in left if spent[id(one)] < HOURS or quickest > spent[id(one)] / 10]
    reason = "training" if top in left and top not in kept else reason
    return max(kept, key=lambda one: one.accuracy), reason
