"""Calibration: does a confidence of 0.8 mean right in 80 of 100 cases?

Items fall into M bins of equal width by the probability of the predicted class; bin m is ((m - 1)/M, m/M].
ECE = sum over bins of n_m / N |accuracy_m - confidence_m|.

Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, section 2 (arXiv 1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.accuracy import checked


@dataclass(frozen=True)
class Reliability:
    """The reliability curve: one entry a bin, M in all; None where a bin is empty.

    Args:
        count: items in the bin.
        confidence: mean probability of the predicted class.
        accuracy: fraction of them that is right.
    """

    count: list[int]
    confidence: list[float | None]
    accuracy: list[float | None]

    @property
    def ece(self) -> float:
        """Expected calibration error, in [0, 1]."""
        total = sum(self.count)
        bins = zip(self.count, self.confidence, self.accuracy, strict=True)
        return float(sum(n * abs(a - c) for n, c, a in bins if a is not None and c is not None) / total)


def reliability(probabilities: Any, labels: Any, bins: int = 15) -> Reliability:
    """Return accuracy against confidence in bins of equal width.

    Args:
        probabilities: rows that sum to 1 [N, K].
        labels: class indices [N].
        bins: M, at least 1.

    Raises:
        InputError: rows are not probabilities.
    """
    p, y = checked(probabilities, labels)
    if bins < 1:
        raise InputError(f"expected at least one bin, found {bins}")
    if p.min() < -1e-6 or np.abs(p.sum(axis=1) - 1).max() > 1e-2:
        raise InputError("expected probabilities that sum to 1 in each row, found others; apply a softmax to logits first")
    predicted = p.argmax(axis=1)
    confidence = np.clip(p.max(axis=1), 0.0, 1.0)
    index = bin_of(confidence, bins)
    count = np.bincount(index, minlength=bins)
    sure = np.bincount(index, weights=confidence, minlength=bins)
    hits = np.bincount(index, weights=(predicted == y).astype(np.float64), minlength=bins)
    return Reliability(
        count=[int(n) for n in count],
        confidence=[float(v / n) if n else None for v, n in zip(sure, count, strict=True)],
        accuracy=[float(v / n) if n else None for v, n in zip(hits, count, strict=True)],
    )


def ece(probabilities: Any, labels: Any, bins: int = 15) -> float:
    """Return the expected calibration error.

    Args:
        probabilities: rows that sum to 1 [N, K].
        labels: class indices [N].
        bins: M.

    Example:
        >>> ece([[0.75, 0.25]] * 4, [0, 0, 0, 1])
        0.0
    """
    return reliability(probabilities, labels, bins).ece


def debiased_square(probabilities: Any, labels: Any, bins: int = 15) -> float:
    """Return the squared calibration error without what chance adds: its mean over draws of the labels is the true one.

    Bin b holds n_b items, with the share a_b of right answers and the mean confidence c_b; the bins have equal mass by
    confidence. sum over bins of n_b / N ((a_b - c_b)^2 - a_b (1 - a_b) / (n_b - 1)). It lies below 0 as often as above, where
    confidence is true.

    Args:
        probabilities: rows that sum to 1 [N, K].
        labels: class indices [N], at least 2.
        bins: at most this many; fewer where a bin would hold less than 2 items.

    Source:
        Kumar, Liang and Ma, Verified uncertainty calibration (2019), definition 4.1 (arXiv 1909.10155).
    """
    p, y = checked(probabilities, labels)
    if len(y) < 2:
        raise InputError(f"expected 2 items or more for a debiased calibration error, found {len(y)}")
    confidence, right, total = p.max(1), (p.argmax(1) == y).astype(np.float64), 0.0
    for rows in np.array_split(np.argsort(confidence, kind="stable"), max(1, min(bins, len(y) // 2))):
        share = float(right[rows].mean())
        gap = share - float(confidence[rows].mean())
        total += len(rows) / len(y) * (gap * gap - share * (1 - share) / (len(rows) - 1))
    return total


def class_ece(probabilities: Any, labels: Any, bins: int = 15) -> float:
    """Return the class-wise calibration error: the mean over classes of the ECE of "is it this class?".

    For class k every item has the confidence p_k, and counts as right where k is its label; bins are those of :func:`ece`.

    Source: Kull et al., Beyond temperature scaling (2019), section 2 (arXiv 1910.12656).
    """
    p, y = checked(probabilities, labels)
    return float(np.abs(class_gaps(p, y, bins)).sum() / p.size)


def class_gaps(p: NDArray[np.float64], y: NDArray[np.int64], bins: int) -> NDArray[np.float64]:
    """Return the sum over the items of each class and bin of right minus confidence [K, bins]."""
    n, k = p.shape
    gaps = -p
    gaps[np.arange(n), y] += 1
    cells = bin_of(p, bins) + bins * np.arange(k)
    return np.asarray(np.bincount(cells.ravel(), weights=gaps.ravel(), minlength=k * bins), dtype=np.float64).reshape(k, bins)


def bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the number of each confidence's bin, 0 .. bins-1; bin m is (m/bins, (m + 1)/bins]."""
    return np.clip(np.ceil(np.clip(confidence, 0.0, 1.0) * bins).astype(np.int64) - 1, 0, bins - 1)


def brier_scores(probabilities: Any, labels: Any) -> NDArray[np.float64]:
    """Return sum_k (p_k - [k = y])^2 of each item [N], between 0 and 2; their mean is the Brier score (Brier, 1950)."""
    p, y = checked(probabilities, labels)
    return np.asarray(np.square(p).sum(1) + 1 - 2 * p[np.arange(len(y)), y])


def log_losses(probabilities: Any, labels: Any) -> NDArray[np.float64]:
    """Return -log p_y of each item [N], natural; a probability of 0 counts as float64's epsilon."""
    p, y = checked(probabilities, labels)
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], np.finfo(np.float64).eps)))
