"""How far a difference can be trusted: intervals over seeds, and paired tests on the same test items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from coldframe.errors import InputError
from coldframe.measures.accuracy import as_array


@dataclass(frozen=True)
class Interval:
    """A mean with its interval; ``low`` and ``high`` are None for a single value, which has no spread."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half(self) -> float | None:
        """The number after the sign ±: the larger distance from the mean to an end, since one end may be cut."""
        return None if self.low is None or self.high is None else max(self.high - self.mean, self.mean - self.low)


@dataclass(frozen=True)
class Paired:
    """The difference in top-1 between two methods on the same items, a minus b.

    Args:
        difference: mean difference, in [-1, 1].
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of items.
        p: exact McNemar p value where each method has one run, else None.
    """

    difference: float
    low: float
    high: float
    n: int
    p: float | None = None

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def _central(theta: float, df: int) -> float:
    """Return P(|t| <= sqrt(df) tan(theta)) for Student's t; Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term = cosine if odd else 1.0
    total = 0.0 if df == 1 else term
    for step in range(3 if odd else 2, df - 1, 2):
        term *= cosine**2 * (step - 1) / step
        total += term
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


@cache
def t_quantile(p: float, df: int) -> float:
    """Return the quantile of Student's t: P(t <= result) = p.

    Found by bisection of the exact finite series for whole degrees of freedom.

    Args:
        p: probability, 0 < p < 1.
        df: degrees of freedom, at least 1.

    Example:
        >>> round(t_quantile(0.975, 2), 4)
        4.3027
    """
    if not 0 < p < 1 or df < 1:
        raise InputError(f"expected 0 < p < 1 and df >= 1, found {p} and {df}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high, inside = 0.0, math.pi / 2, 2 * p - 1
    for _ in range(100):
        middle = (low + high) / 2
        if _central(middle, df) < inside:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan((low + high) / 2)


def interval(
    values: Sequence[float], level: float = 0.95, *, least: float = -math.inf, most: float = math.inf
) -> Interval:
    """Return the mean of one number per seed, with its Student t interval: mean ± t s / sqrt(S), within [least, most].

    The ends are cut to what the number can be: an accuracy lies in [0, 1], and no time is negative.

    Args:
        values: S numbers.
        level: coverage of the interval.
        least: the smallest value that there can be.
        most: the largest.

    Returns:
        The interval; without ends for S = 1.
    """
    if not len(values):
        raise InputError("expected at least one value, found none")
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if len(x) == 1:
        return Interval(mean, None, None, 1)
    if np.ptp(x) == 0:
        return Interval(float(x[0]), float(x[0]), float(x[0]), len(x))
    half = t_quantile(0.5 + level / 2, len(x) - 1) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return Interval(mean, max(least, mean - half), min(most, mean + half), len(x))


def wilson(right: float, n: int, level: float = 0.95) -> Interval:
    """Return the share of successes with Wilson's score interval, which lies within [0, 1].

    With p = right / n and z the normal quantile: (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).

    Args:
        right: successes; a mean over runs on the same trials need not be whole.
        n: trials, at least 1.
        level: coverage of the interval.

    Source: Wilson, Journal of the American Statistical Association 22, 1927.

    Example:
        >>> found = wilson(10, 10)
        >>> round(found.low, 3), found.high
        (0.722, 1.0)
    """
    if n < 1 or not 0 <= right <= n or not 0 < level < 1:
        raise InputError(f"expected 0 <= right <= n, n >= 1 and 0 < level < 1, found {right}, {n} and {level}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, scale = right / n, 1 + z * z / n
    centre, half = (p + z * z / (2 * n)) / scale, z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    low, high = 0.0 if right == 0 else max(0.0, centre - half), 1.0 if right == n else min(1.0, centre + half)
    return Interval(p, low, high, n)


def paired_bootstrap(
    a: Any,
    b: Any,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    generator: np.random.Generator | int = 0,
) -> Paired:
    """Return the difference of top-1 between two methods with its percentile bootstrap interval over test items.

    Items are drawn with replacement; both methods are read on the same draw. Runs over seeds are averaged for each item
    first, so that the interval speaks of the images, not of the seeds. Only how often each difference occurs matters,
    and a resample of counts is one multinomial draw: 10,000 resamples cost milliseconds whatever N is.

    Args:
        a: whether method a is right, booleans [N] or [S, N].
        b: whether method b is right, booleans [N] or [S', N]; the same items in the same order.
        resamples: number of bootstrap draws.
        level: coverage of the interval.
        generator: source of randomness, or the seed of one.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    x, y = np.atleast_2d(as_array(a)).astype(np.int64), np.atleast_2d(as_array(b)).astype(np.int64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.size or not y.size:
        raise InputError(f"expected two arrays [S, N] over the same N items, found shapes {list(x.shape)} and {list(y.shape)}")
    if resamples < 1 or not 0 < level < 1:
        raise InputError(f"expected resamples >= 1 and 0 < level < 1, found {resamples} and {level}")
    scale, n = len(x) * len(y), x.shape[1]
    # Whole numbers, so that equal differences fall together.
    values, counts = np.unique(x.sum(axis=0) * len(y) - y.sum(axis=0) * len(x), return_counts=True)
    draws = np.random.default_rng(generator).multinomial(n, counts / n, size=resamples) @ values / (n * scale)  # [resamples]
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    p = mcnemar(x[0], y[0]) if scale == 1 else None
    return Paired(float(values @ counts / (n * scale)), float(low), float(high), n, p)


def mcnemar(a: Any, b: Any) -> float:
    """Return the exact two-sided p value that two methods are right equally often, from the items they disagree on.

    With n01 and n10 items that only one of them gets right: p = min(1, 2 P(Binomial(n01 + n10, 1/2) <= min(n01, n10))).

    Args:
        a: whether method a is right, booleans [N].
        b: whether method b is right, booleans [N].

    Source: McNemar, Psychometrika 12, 1947, in its exact binomial form.
    """
    x, y = as_array(a).astype(bool), as_array(b).astype(bool)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"expected two arrays [N], found shapes {list(x.shape)} and {list(y.shape)}")
    only_a, only_b = int((x & ~y).sum()), int((~x & y).sum())
    total = only_a + only_b
    term = tail = 1
    for k in range(min(only_a, only_b)):
        term = term * (total - k) // (k + 1)
        tail += term
    # Whole numbers of any size divide exactly; halves this small would vanish as floats.
    return min(1.0, 2 * tail / 2**total) if total else 1.0
