"""When a change counts as a gain on images: by a multiple of the standard error of the paired difference."""

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


def gain(right: Tensor, before: Tensor) -> tuple[float, float]:
    """Return how much more often one answer is right than another, and the standard error of that.

    With d_i in {-1, 0, 1}, one minus the other on image i: the mean of d, and sqrt(mean((d - mean d)^2) / N).

    Args:
        right: whether the one is right, bool [N].
        before: whether the other is, bool [N], of the same images.

    Example:
        >>> import torch
        >>> gain(torch.tensor([True, True, True, False]), torch.tensor([True, True, False, False]))
        (0.25, 0.21650635094610965)
    """
    difference = right.double() - before.double()
    return float(difference.mean()), math.sqrt(float(difference.var(unbiased=False)) / len(difference))


def beyond(gained: float, error: float, margin: float) -> bool:
    """Return whether a gain is one: above 0, and above ``margin`` standard errors.

    Source:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3, the rule of one
        standard error: the simplest candidate whose error is within one of the best is taken.
    """
    return gained > 0 and gained > margin * error


def gain_over_folds(values: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Return the mean difference of the values of k folds, and its standard error, sd(d) / sqrt(k) with k - 1 below.

    Args:
        values: top-1 of one candidate in each fold.
        before: of another in the same folds.

    Example:
        >>> gain_over_folds([0.75, 0.5], [0.5, 0.5])
        (0.125, 0.125)
    """
    difference = torch.tensor(values, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
    spread = float(difference.std()) if len(difference) > 1 else 0.0
    return float(difference.mean()), spread / math.sqrt(len(difference))
