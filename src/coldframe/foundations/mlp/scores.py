"""What a confusion matrix says: accuracy, and for each class precision, recall and F-beta."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import DataError, InputError
from coldframe.foundations.mlp.layers import check_labels

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Return how often class i was taken for class j, [K, K] with true classes down and predictions across.

    Raises:
        DataError: the lengths differ, or a number is not from 0 to K - 1.

    Example:
        >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    check_labels(labels, len(labels), classes)
    check_labels(predicted, len(labels), classes)
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(counts: Counts) -> float:
    """Return the share of right answers. Raises :class:`DataError` for a matrix of no answers."""
    if counts.sum() == 0:
        raise DataError("expected at least one answer to score, found an empty confusion matrix")
    return float(np.trace(counts) / counts.sum())


def precision(counts: Counts) -> Shares:
    """Return TP / (TP + FP) of each class [K]; NaN for a class that was never predicted."""
    return _ratio(np.diag(counts), counts.sum(axis=0))


def recall(counts: Counts) -> Shares:
    """Return TP / (TP + FN) of each class [K]; NaN for a class without images."""
    return _ratio(np.diag(counts), counts.sum(axis=1))


def f_beta(counts: Counts, beta: float = 1.0) -> Shares:
    """Return (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP) of each class [K].

    It is the harmonic mean of precision and recall, recall counting b times as much; NaN where a class neither occurs
    nor is predicted.

    Raises:
        InputError: beta is not above 0.
    """
    if not beta > 0:
        raise InputError(f"expected beta above 0, found {beta}; 1 weighs precision and recall alike")
    true = np.diag(counts)
    missed, false = counts.sum(axis=1) - true, counts.sum(axis=0) - true
    return _ratio((1 + beta**2) * true, (1 + beta**2) * true + beta**2 * missed + false)


def _ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> Shares:
    over, under = np.asarray(above, np.float64), np.asarray(below, np.float64)
    shares: Shares = np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0)
    return shares
