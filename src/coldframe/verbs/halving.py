"""Successive halving over learning rates: many short runs, fewer longer ones, the best two whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import ColdframeError, InputError
from coldframe.methods import Method
from coldframe.methods.stacked import fit_stacked
from coldframe.methods.trained import Trained
from coldframe.training.stacked import OPTIMISERS
from coldframe.verbs.case import OutOfTime

FACTORS = (1.0, 0.3, 3.0, 0.1, 10.0, 0.03, 30.0, 0.01)
"""Of the default learning rate: what successive halving begins with."""
RUNGS = ((8, 4), (4, 2), (2, 1))
"""How many settings, and by what their epochs are divided."""
SEARCH = sum(count / part for count, part in RUNGS)
"""What a search costs, in whole fits, where nothing runs stacked."""


def halve(
    method: Trained, train: Split, val: Split, cold: ColdPass, in_time: Callable[[dict[str, Any]], None] | None = None
) -> tuple[Trained, tuple[float, float]]:
    """Return the method with the best of eight learning rates by successive halving, and its rank on ``val``.

    Eight rates run a quarter of the epochs, the better four a half, the better two all; each on the schedule of its own
    length. Runs of one rung are trained stacked where the method can.
    """
    assert method.lr != "auto", "what searches its rate itself is not searched again"
    rates = [method.lr * factor for factor in FACTORS]
    ranked: list[tuple[tuple[float, float], Trained]] = []
    for count, part in RUNGS:
        runs = [method.again(lr=rate, epochs=max(1, method.epochs // part)) for rate in rates[:count]]
        if method.stacks and method.optimiser in OPTIMISERS and method.patience is None:
            fit_stacked(runs, train, val, cold=cold)
            if in_time is not None:
                in_time({})
        else:
            for each in runs:
                try:
                    each.fit(train, val, cold=cold, report=in_time)
                except OutOfTime:
                    raise
                except ColdframeError:
                    continue  # a rate that bursts has no rank
        found = [(rank, each) for each in runs if (rank := rank_of(each)) is not None]
        ranked = sorted(found, key=lambda pair: pair[0], reverse=True) or ranked
        rates = [each.recipe.lr for _, each in ranked]
    if not ranked:
        raise InputError(f"expected a learning rate of {method.name} that trains, found none")
    return ranked[0][1], ranked[0][0]


def rank_of(method: Method) -> tuple[float, float] | None:
    """Return top-1 and the negative cross-entropy on ``val`` of what a fit kept; None where it tried nothing."""
    tried = [(top1, -loss) for top1, loss in method.tried().values()]
    return max(tried) if tried else None
