"""How far calibration and the area under the risk-coverage curve would move on other images: halves of 95% intervals.

Images are drawn again with replacement, by a fixed seed; a half is 1.96 standard deviations over the draws. The measures are
sums of weighted items, so a draw is a vector of weights and no image is touched. Calibration errors are biased upwards, more
so in draws than on the images themselves: their halves say how they move, not by how much they are too high.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldframe.measures.abstaining import ordered_errors
from coldframe.measures.calibration import bin_of

DRAWS = 200
_WORK = 5e7
"""Items times classes times draws, at most; fewer draws are taken of more."""
Values = NDArray[np.float64]


def weights(n: int, draws: int = DRAWS, seed: int = 0) -> Values:
    """Return how often each of n items is drawn [draws, n]."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def half(values: Values) -> float:
    """Return 1.96 standard deviations of a measure over the draws."""
    return float(1.96 * values.std())


def ece_half(p: Values, y: NDArray[np.int64], bins: int = 15) -> float:
    """Return the half of the interval of :func:`coldframe.measures.ece` of probabilities [N, K]."""
    confidence = p.max(1)
    gaps = _gaps(bin_of(confidence, bins), (p.argmax(1) == y) - confidence, bins)
    return half(np.abs(weights(len(y)) @ gaps).sum(1) / len(y))


def class_ece_half(p: Values, y: NDArray[np.int64], bins: int = 15) -> float:
    """Return the half of the interval of :func:`coldframe.measures.calibration.class_ece`."""
    n, k = p.shape
    drawn = weights(n, int(np.clip(_WORK / (n * k), 20, DRAWS)))
    found = np.zeros(len(drawn))
    for label in range(k):
        gaps = _gaps(bin_of(p[:, label], bins), (y == label) - p[:, label], bins)
        found += np.abs(drawn @ gaps).sum(1)
    return half(found / (n * k))


def aurc_half(p: Values, y: NDArray[np.int64]) -> float:
    """Return the half of the interval of :func:`coldframe.measures.abstaining.aurc`."""
    errors = ordered_errors(p, y)
    drawn = weights(len(errors))
    counts = drawn.cumsum(1)
    risk = (drawn * errors).cumsum(1) / np.maximum(counts, 1)
    return half((drawn * risk).sum(1) / len(errors))


def _gaps(index: NDArray[np.int64], gap: Values, bins: int) -> Values:
    """Return each item's gap in the column of its bin [N, bins]."""
    found = np.zeros((len(index), bins))
    found[np.arange(len(index)), index] = gap
    return found
