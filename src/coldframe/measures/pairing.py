"""The difference in top-1 of two methods on the same images, with what both the images and the seeds leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from coldframe.errors import InputError
from coldframe.measures.accuracy import as_array
from coldframe.measures.significance import mcnemar, t_quantile

MOST_DEGREES = 1000
"""Degrees of freedom above which Student's quantile is read at this number: it lies within 0.1% of the normal one."""


@dataclass(frozen=True)
class Difference:
    """A paired difference in top-1, a minus b.

    Args:
        value: mean difference over images and seeds, in [-1, 1].
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of images N.
        seeds: number of seeds S; 1 where the interval speaks of images only.
        image_variance: variance of one image's difference, averaged over seeds: N times what the images add to the variance.
        seed_variance: what the seeds add to the variance of ``value``: s^2 / S.
        p: exact McNemar p value where each method has one run, else None.
    """

    value: float
    low: float
    high: float
    n: int
    seeds: int
    image_variance: float
    seed_variance: float
    p: float | None = None


def paired(a: Any, b: Any, *, level: float = 0.95) -> Difference:
    """Return the difference of top-1 between two methods with its interval over images and seeds.

    With d_si the difference on image i in seed s and d_i its mean over seeds, the variance is V_images + V_seeds:

    - V_images = (sum d_i^2 + 1 - (sum d_i)^2 / (N + 2)) / (N + 2)^2, about the centre sum d_i / (N + 2). This is the interval
      for matched proportions that counts half an image more in each cell of the 2 x 2 table, so that methods that gave the same
      answers to few images do not look certain to be equal;
    - V_seeds = s^2 / S, with s^2 the variance over seeds of the mean over images. 0 for one seed: the interval then speaks of
      images only. Where the methods have different numbers of runs, theirs are added, each over its own.

    The interval is centre ± t sqrt(V_images + V_seeds), within [-1, 1], with Student's t at the degrees of freedom
    (sum V)^2 / (sum V_k^2 / f_k), f the number of images or seeds less 1.

    Args:
        a: whether method a is right, booleans [N] or [S, N].
        b: whether method b is right, booleans [N] or [S', N]; the same images in the same order, the same seeds where S = S'.
        level: coverage of the interval.

    Source: Agresti and Min, Statistics in Medicine 24, 2005 (half an image a cell); Satterthwaite, Biometrics Bulletin 2, 1946
    (degrees of freedom).

    Example:
        >>> same = paired([True] * 100, [True] * 100)
        >>> same.value, round(same.high, 3)
        (0.0, 0.019)
    """
    x, y = np.atleast_2d(as_array(a)).astype(np.float64), np.atleast_2d(as_array(b)).astype(np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.size or not y.size:
        raise InputError(f"expected two arrays [S, N] over the same N images, found shapes {list(x.shape)} and {list(y.shape)}")
    if not 0 < level < 1:
        raise InputError(f"expected 0 < level < 1, found {level}")
    n, each = x.shape[1], x.mean(axis=0) - y.mean(axis=0)  # [N]
    total, squares = float(each.sum()), float((each**2).sum())
    image_variance = max((squares + 1 - total**2 / (n + 2)) / (n + 2), 0.0)
    parts = [(image_variance / (n + 2), n - 1)]
    runs = [x - y] if len(x) == len(y) else [x, y]
    for values in runs:
        if len(values) > 1:
            parts.append((float(values.mean(axis=1).var(ddof=1)) / len(values), len(values) - 1))
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / max(free, 1) for part, free in parts)
    half = quantile(0.5 + level / 2, variance**2 / spread if spread else math.inf) * math.sqrt(variance)
    centre = total / (n + 2)
    p = mcnemar(x[0], y[0]) if len(x) == len(y) == 1 else None
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    seeds = max(len(values) for values in runs)
    return Difference(total / n, low, high, n, seeds, image_variance, sum(part for part, _ in parts[1:]), p)


def quantile(p: float, degrees: float) -> float:
    """Return Student's quantile at degrees of freedom that need not be whole: those below, at least 1 and at most 1000."""
    if not math.isfinite(degrees):
        return NormalDist().inv_cdf(p)
    return t_quantile(p, int(min(max(degrees, 1.0), MOST_DEGREES)))


def images_to_decide(found: Difference, margin: float, *, level: float = 0.95) -> float:
    """Return about how many images would tell whether a difference lies within the margin or beyond it.

    With g = ||value| - margin| the distance to the margin and z the normal quantile, the interval's half width z sqrt(v / N +
    V_seeds) is g at N = v / (g^2 / z^2 - V_seeds).

    Args:
        found: the difference, as measured on fewer images.
        margin: of practical equivalence, a fraction.
        level: coverage of the interval.

    Returns:
        The number of images; infinite where the seeds alone leave it open, or the difference is the margin itself.
    """
    gap = abs(abs(found.value) - margin) / NormalDist().inv_cdf(0.5 + level / 2)
    room = gap**2 - found.seed_variance
    return found.image_variance / room if room > 0 else math.inf
