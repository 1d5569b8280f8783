"""Settings tried on validation images before a run: short runs by successive halving that cost no more than the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from coldframe.training import better

Settings = Mapping[str, Any]
Score = tuple[float, float]
"""(top-1, cross-entropy) on validation images."""
_LONGER = 2
"""Candidates of a later round run at least this many times as long as before; a round that could not is not held."""


def search(
    candidates: Sequence[Settings],
    epochs: int,
    attempt: Callable[[Settings, int], Score],
    cost: Callable[[Settings], float] = lambda _: 1.0,
) -> tuple[Settings, list[dict[str, Any]]]:
    """Return the best of some settings, and what was tried: the settings, epochs, top-1 and cross-entropy of each short run.

    The first round holds as many candidates as can run one epoch each. Every round gets an equal share of what is left of the
    budget, and the better half goes on to a longer one. The budget is what the run that follows costs with the cheapest of the
    settings, so that a search at most doubles the cost, whichever is taken.

    Args:
        candidates: in the order of preference: it decides between equals, and which are tried where not all can be.
        epochs: of the run that follows.
        attempt: (settings, epochs) -> what a run of so many epochs reaches; an infinite loss for a run that broke off.
        cost: of an epoch with some settings, relative to others.

    Source:
        Jamieson and Talwalkar, Non-stochastic Best Arm Identification (2016), section 3, arXiv 1502.07943, with every run
        on a schedule of its own length in place of one that goes on.
    """
    left, length, tried = epochs * min(map(cost, candidates)), 0, list[dict[str, Any]]()
    best, alive = candidates[0], _affordable(candidates, left, cost)
    while len(alive) > 1:
        total = sum(map(cost, alive))
        length = max(1, length * _LONGER, int(left / (len(alive) - 1).bit_length() / total))
        found: list[tuple[Settings, Score]] = []
        for settings in alive:
            score = attempt(settings, length)
            place = next((at for at, (_, other) in enumerate(found) if better(*score, *other)), len(found))
            found.insert(place, (settings, score))
            finite = math.isfinite(score[1])
            tried.append({**settings, "epochs": length, **({"val": score[0], "val_loss": score[1]} if finite else {})})
        ranked = [settings for settings, _ in found]
        left -= length * total
        best, alive = ranked[0], _affordable(ranked[: (len(ranked) + 1) // 2], left / (length * _LONGER), cost)
    return best, tried


def _affordable(candidates: Sequence[Settings], budget: float, cost: Callable[[Settings], float]) -> list[Settings]:
    """Return the first of some candidates whose epochs cost no more than a budget together."""
    spent = accumulate(map(cost, candidates))
    return [settings for settings, together in zip(candidates, spent, strict=True) if together <= budget]
