"""Classes of unequal size: weights of the loss, or images drawn again, so that every class counts the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor

Balance = Literal["none", "loss", "sample"]
"""``loss`` weights images by :func:`class_weights`; ``sample`` draws as many of each class in an epoch, on average."""


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return w_k = N / (K n_k) of N labels [N], n_k of them of class k and K classes that occur [classes]; 0 for the others.

    scikit-learn's ``class_weight="balanced"``: the weights of all images have the mean 1.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    there = counts > 0
    weights = len(labels) / (int(there.sum()) * counts.clamp_min(1))
    return torch.where(there, weights, torch.zeros_like(weights))


def tag_weights(tags: Tensor) -> Tensor:
    """Return for each label of each image the weight of its own yes and no, both with :func:`class_weights` [N, K]."""
    yes = tags.double()
    n, held = len(yes), yes.sum(0)
    both = (held > 0) & (held < n)
    weights = torch.where(yes > 0, n / (2 * held.clamp_min(1)), n / (2 * (n - held).clamp_min(1)))
    return torch.where(both, weights, torch.ones_like(weights))


def redrawn(labels: Tensor, epoch: int, seed: int) -> Tensor:
    """Return N items drawn with replacement, each class as likely as any other that occurs [N]; a function of (seed, epoch)."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch + 500_009)
    weights = class_weights(labels, int(labels.max()) + 1)[labels]
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


@dataclass
class Balanced:
    """How one fit balances its classes.

    Args:
        labels: of the training images [N].
        seed: of the images that are drawn.
        weights: of the classes [K]; None where they do not count.
        sampled: whether images are drawn again.
    """

    labels: Tensor
    seed: int
    weights: Tensor | None = None
    sampled: bool = False
    _drawn: tuple[int, Tensor] | None = field(default=None, init=False)

    @classmethod
    def of(cls, balance: Balance, labels: Tensor, classes: int, seed: int) -> Self:
        """Return what a setting means for these labels."""
        weights = class_weights(labels, classes).float().to(labels.device) if balance == "loss" else None
        return cls(labels.cpu(), seed, weights, balance == "sample")

    @property
    def reduction(self) -> str:
        """What a cross-entropy is to do before :meth:`mean`."""
        return "mean" if self.weights is None else "none"

    def items(self, items: Tensor, epoch: int) -> Tensor:
        """Return the items that are learned from in the places of ``items``."""
        if not self.sampled:
            return items
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, redrawn(self.labels, epoch, self.seed)
        return self._drawn[1][items]

    def mean(self, losses: Tensor, labels: Tensor) -> Tensor:
        """Return the mean of the losses, each with the weight of its class."""
        return losses if self.weights is None else (losses * self.weights.to(losses)[labels]).mean()
