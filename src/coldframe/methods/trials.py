"""Settings tried on validation images before a run: short runs by successive halving, in no more epochs than the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coldframe.training import better

Settings = Mapping[str, Any]
Score = tuple[float, float]
"""(top-1, cross-entropy) on validation images."""
_LONGER = 2
"""Candidates of a later round run at least this many times as long as before; a round that could not is not held."""


def rounds(candidates: int, epochs: int) -> list[tuple[int, int]]:
    """Return the rounds of a search that spends at most ``epochs`` epochs in all: (how many are left, epochs of each).

    The first round keeps as many candidates as can run one epoch each. Every round gets an equal share of what is left of
    the budget, and the better half goes on to a longer one.

    Example:
        >>> rounds(4, 10)
        [(4, 1), (2, 3)]
    """
    left, alive, length = epochs, min(candidates, epochs), 0
    found: list[tuple[int, int]] = []
    while alive > 1:
        length = max(1, length * _LONGER, left // max(1, (alive - 1).bit_length()) // alive)
        found.append((alive, length))
        left -= alive * length
        alive = min((alive + 1) // 2, left // (length * _LONGER))
    return found


def search(
    candidates: Sequence[Settings], epochs: int, attempt: Callable[[Settings, int], Score]
) -> tuple[Settings, list[dict[str, Any]]]:
    """Return the best of some settings, and what was tried: the settings, epochs, top-1 and cross-entropy of each short run.

    Args:
        candidates: in the order of preference: it decides between equals, and which are tried where not all can be.
        epochs: of the run that follows; the search spends no more.
        attempt: (settings, epochs) -> what a run of so many epochs reaches; an infinite loss for a run that broke off.

    Source:
        Jamieson and Talwalkar, Non-stochastic Best Arm Identification (2016), section 3, arXiv 1502.07943, with every run
        on a schedule of its own length in place of one that goes on.
    """
    alive, tried = list(candidates), list[dict[str, Any]]()
    for count, length in rounds(len(candidates), epochs):
        found: list[tuple[Settings, Score]] = []
        for settings in alive[:count]:
            score = attempt(settings, length)
            place = next((at for at, (_, other) in enumerate(found) if better(*score, *other)), len(found))
            found.insert(place, (settings, score))
            finite = math.isfinite(score[1])
            tried.append({**settings, "epochs": length, **({"val": score[0], "val_loss": score[1]} if finite else {})})
        alive = [settings for settings, _ in found]
    return alive[0], tried
