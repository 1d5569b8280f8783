"""Calibration: does a confidence of 0.8 mean right in 80 of 100 cases?

Items fall into M bins of equal width by the probability of the predicted class; bin m is ((m - 1)/M, m/M].
ECE = sum over bins of n_m / N |accuracy_m - confidence_m|.

Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, section 2 (arXiv 1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
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
