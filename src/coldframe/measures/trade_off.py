"""Two numbers of several models against each other: how they go together, and which models nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldframe.errors import InputError


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with its 95% interval.

    Args:
        r: in [-1, 1].
        low: lower end; None below four points, which determine no interval.
        high: upper end.
        n: number of points.
    """

    r: float
    low: float | None
    high: float | None
    n: int


def pearson(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Return Pearson's r: the covariance of x and y over the product of their standard deviations.

    The interval is Fisher's: tanh(artanh r ± 1.96 / sqrt(n - 3)).

    Args:
        x: n numbers.
        y: n numbers.

    Returns:
        The correlation; None for fewer than three points, or where x or y does not vary.

    Source: Fisher, Metron 1, 1921.

    Example:
        >>> pearson([1, 2, 3], [2, 4, 6]).r
        1.0
    """
    if len(x) != len(y):
        raise InputError(f"expected as many x as y, found {len(x)} and {len(y)}")
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    a, b = a - a.mean(), b - b.mean()
    r = float(np.clip(a @ b / math.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
    if len(a) < 4 or abs(r) == 1.0:
        return Correlation(r, None, None, len(a))
    half = 1.959964 / math.sqrt(len(a) - 3)
    return Correlation(r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half), len(a))


def pareto(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Return the points that no other beats, cheapest first: none costs as little and gains as much, and one of them better.

    Args:
        costs: n numbers, less is better.
        gains: n numbers, more is better.

    Example:
        >>> pareto([3, 1, 2], [0.9, 0.5, 0.4])
        [1, 0]
    """
    front: list[int] = []
    best = -math.inf
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i])):
        tied = bool(front) and costs[i] == costs[front[-1]] and gains[i] == gains[front[-1]]
        if gains[i] > best or tied:
            front.append(i)
            best = gains[i]
    return front
