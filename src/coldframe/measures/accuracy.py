"""Accuracy in its several forms, from scores [N, K] and labels [N]; scores are logits or probabilities alike.

Equal scores are ranked by class index, so that top-1 is what ``argmax`` says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError


def as_array(values: Any) -> NDArray[Any]:
    """Return a NumPy array of an array, a list or a tensor on any device; bfloat16 becomes float32."""
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    return np.asarray(values)


def checked(scores: Any, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return scores [N, K] and labels [N] as arrays.

    Raises:
        InputError: the shapes do not fit, there is nothing to measure, a score is NaN or a label is not a class.
    """
    s, y = as_array(scores), as_array(labels)
    if s.ndim != 2 or y.ndim != 1 or len(s) != len(y):
        raise InputError(f"expected scores [N, K] and labels [N], found shapes {list(s.shape)} and {list(y.shape)}")
    if not len(y):
        raise InputError("expected at least one item to measure, found none; check the split")
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"expected integer labels, found {y.dtype}; pass class indices")
    lowest, highest = int(y.min()), int(y.max())
    if lowest < 0 or highest >= s.shape[1]:
        raise InputError(f"expected labels from 0 to {s.shape[1] - 1}, found {lowest} to {highest}; check the label column")
    s = s.astype(np.float64)
    if np.isnan(s).any():
        raise InputError("expected numbers as scores, found NaN; the method diverged, lower its learning rate")
    return s, y.astype(np.int64)


def _rank(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes stand before the true one [N]."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)  # [N, 1]
    tied_before = (scores == own) & (np.arange(scores.shape[1]) < labels[:, None])
    return np.asarray(((scores > own) | tied_before).sum(axis=1), dtype=np.int64)


def correct(scores: Any, labels: Any) -> NDArray[np.bool_]:
    """Return whether the highest score is at the label.

    Args:
        scores: logits or probabilities [N, K].
        labels: class indices [N].

    Returns:
        booleans [N].
    """
    return _rank(*checked(scores, labels)) < 1


def topk(scores: Any, labels: Any, k: int) -> float:
    """Return the fraction of items whose label is among the ``k`` highest scores.

    Args:
        scores: logits or probabilities [N, K].
        labels: class indices [N].
        k: at least 1.

    Example:
        >>> topk([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1]], [2, 0], k=2)
        1.0
    """
    if k < 1:
        raise InputError(f"expected k of at least 1, found {k}")
    return float((_rank(*checked(scores, labels)) < k).mean())


def top1(scores: Any, labels: Any) -> float:
    """Return the fraction of items whose label has the highest score: :func:`topk` with k = 1."""
    return topk(scores, labels, 1)


def top5(scores: Any, labels: Any) -> float | None:
    """Return the fraction of items whose label is among the 5 highest scores, or None where K <= 5.

    With five classes or fewer the fraction is 1 whatever the method does, so it is not a measurement.
    """
    return topk(scores, labels, 5) if as_array(scores).shape[-1] > 5 else None


def per_class(scores: Any, labels: Any) -> list[float | None]:
    """Return the top-1 accuracy among the items of each class [K]; None for a class that no item has."""
    s, y = checked(scores, labels)
    hits = np.bincount(y, weights=(_rank(s, y) < 1).astype(np.float64), minlength=s.shape[1])
    counts = np.bincount(y, minlength=s.shape[1])
    return [float(h / n) if n else None for h, n in zip(hits, counts, strict=True)]


def mean_per_class(scores: Any, labels: Any) -> float:
    """Return the mean of the per-class accuracies over the classes that have items (balanced accuracy)."""
    return float(np.mean([value for value in per_class(scores, labels) if value is not None]))


def confusion(scores: Any, labels: Any) -> NDArray[np.int64]:
    """Return counts [K, K]: row the true class, column the predicted one."""
    s, y = checked(scores, labels)
    k = s.shape[1]
    return np.bincount(y * k + s.argmax(axis=1), minlength=k * k).reshape(k, k).astype(np.int64)
