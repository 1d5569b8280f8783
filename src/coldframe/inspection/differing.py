"""Where two classifiers differ, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Disagreements:
    """Two classifiers on the same N images.

    Args:
        right_a: whether A is right [N].
        right_b: whether B is right [N].
        only_a: images that A gets right and B wrong, the most decided first.
        only_b: images that B gets right and A wrong, the most decided first.
    """

    right_a: NDArray[np.bool_]
    right_b: NDArray[np.bool_]
    only_a: Indices
    only_b: Indices

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Images that both get right, only A, only B, neither."""
        both, one, other = int((self.right_a & self.right_b).sum()), len(self.only_a), len(self.only_b)
        return both, one, other, len(self.right_a) - both - one - other

    def by_class(self, labels: Indices, classes: int) -> list[tuple[int, int, int, int]]:
        """Return (class, images, only A, only B) of the classes with a difference, the largest difference first."""
        n, a, b = (np.bincount(labels[rows], minlength=classes) for rows in (slice(None), self.only_a, self.only_b))
        order = sorted(range(classes), key=lambda k: (-abs(int(a[k]) - int(b[k])), -int(a[k]) - int(b[k]), k))
        return [(k, int(n[k]), int(a[k]), int(b[k])) for k in order if a[k] + b[k]]


def disagreements(a: Floats, b: Floats, labels: Indices) -> Disagreements:
    """Find the images that one classifier gets right and the other wrong.

    They are ordered by how decided both are: the probability that the right one gives to the true class, times that which
    the wrong one gives to its own answer.

    Args:
        a: probabilities of A [N, K].
        b: probabilities of B on the same images [N, K].
        labels: true classes [N].

    Raises:
        InputError: shapes that do not belong together.

    Example:
        >>> a, b = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[0.3, 0.7], [0.6, 0.4]])
        >>> disagreements(a, b, np.array([0, 0])).only_a
        array([0])
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[:1] != labels.shape:
        shapes = f"{list(a.shape)}, {list(b.shape)} and {list(labels.shape)}"
        raise InputError(f"expected probabilities [N, K] of A and of B, and labels [N], found shapes {shapes}")
    rows = np.arange(len(labels))
    first, second = a.argmax(1), b.argmax(1)
    right_a, right_b = first == labels, second == labels

    def most_decided(right: Floats, wrong: Floats, answer: Indices, found: NDArray[np.bool_]) -> Indices:
        decided = right[rows, labels] * wrong[rows, answer]
        order: Indices = np.flatnonzero(found)
        return order[np.argsort(-decided[order], kind="stable")]

    only_a = most_decided(a, b, second, right_a & ~right_b)
    only_b = most_decided(b, a, first, right_b & ~right_a)
    return Disagreements(right_a, right_b, only_a, only_b)
