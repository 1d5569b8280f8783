"""When a change counts as a gain: in standard errors of the paired difference, over images or over folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import Activations


class Answering(Protocol):
    """What can be measured: logits of activations, computed from what was learned once it has settled."""

    def settle(self) -> None: ...

    def warm(self, x: Tensor) -> Tensor: ...


class Validation:
    """Measures a method as it is: (top-1, cross-entropy) on validation images.

    Args:
        method: what answers.
        stored: activations of the images at its cut.
        truth: their classes [N].
    """

    def __init__(self, method: Answering, stored: Activations, truth: Tensor) -> None:
        self.method, self.stored, self.truth = method, stored, truth
        self.right = torch.zeros(len(truth), dtype=torch.bool)
        """Which images it answered rightly when it measured last [N]."""

    @torch.no_grad()
    def __call__(self) -> tuple[float, float]:
        self.method.settle()
        rows = torch.split(torch.arange(len(self.truth)), 64)
        logits = torch.cat([self.method.warm(self.stored.gather(part)).float().cpu() for part in rows])
        self.right = logits.argmax(-1) == self.truth
        return float(self.right.double().mean()), float(functional.cross_entropy(logits, self.truth))


def gained(right: Tensor, before: Tensor) -> float:
    """Return by how many standard errors one answer is more often right than another, by McNemar's test.

    z = (b - c - 1) / sqrt(b + c), of b images that only the one and c that only the other answers rightly; the 1 is the
    correction for counts. Without such images 0.

    Args:
        right: whether the one is right, bool [N].
        before: whether the other is, bool [N], of the same images.

    Source:
        Edwards, Note on the "correction for continuity" in testing the significance of the difference between correlated
        proportions (1948), of McNemar's test (1947).

    Example:
        >>> import torch
        >>> gained(torch.tensor([True] * 5), torch.tensor([False] * 4 + [True]))
        1.5
    """
    b, c = int((right & ~before).sum()), int((before & ~right).sum())
    return (b - c - 1) / math.sqrt(b + c) if b + c else 0.0


def gained_over_folds(values: Sequence[float], before: Sequence[float]) -> float:
    """Return the same over k folds: the mean difference of their values over its standard error, sd(d) / sqrt(k).

    Args:
        values: top-1 of one candidate in each fold.
        before: of another in the same folds.

    Source:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3: the rule of one
        standard error over the folds.

    Example:
        >>> gained_over_folds([0.75, 0.5], [0.5, 0.5])
        1.0
    """
    difference = torch.tensor(values, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
    mean, spread = float(difference.mean()), float(difference.std()) if len(difference) > 1 else 0.0
    return math.copysign(math.inf, mean) if mean and not spread else mean * math.sqrt(len(difference)) / (spread or 1.0)
