"""The loss of a linear classifier, as L-BFGS asks for it again and again: on features in memory, or read each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.methods.rows import Rows


def loss_of(logits: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean over items of the cross-entropy, or of the sum of binary ones, each with its weight."""
    if y.ndim == 1 and weights is None:
        return functional.cross_entropy(logits, y)
    each = (
        functional.cross_entropy(logits, y, reduction="none") if y.ndim == 1
        else functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    )  # fmt: skip
    return (each if weights is None else each * weights).sum() / len(y)


def _curvature(logits: Tensor, several: bool) -> Tensor:
    """Return the mean of p (1 - p), the probabilities p of the logits."""
    p = logits.sigmoid() if several else logits.softmax(-1)
    return (p * (1 - p)).mean()


@dataclass(frozen=True)
class InMemory:
    """The loss on rotated features in memory [N, R].

    Args:
        x: features, rotated.
        y: labels [N] or [N, K].
        weights: see :func:`loss_of`.
        offset: logits [N, K] that are added to those of the classifier.
    """

    x: Tensor
    y: Tensor
    weights: Tensor | None
    offset: Tensor | None = None

    def loss(self, weight: Tensor, bias: Tensor) -> Tensor:
        return loss_of(self._logits(weight, bias), self.y, self.weights)

    def curvature(self, weight: Tensor, bias: Tensor) -> float:
        return float(_curvature(self._logits(weight, bias), self.y.ndim == 2))

    def _logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        logits = self.x @ weight.T + bias
        return logits if self.offset is None else logits + self.offset


@dataclass(frozen=True)
class Read:
    """The same loss on features that are read in each evaluation; the classifier is rotated in their place.

    Args:
        x: features [N, D], as they are.
        y: labels [N] or [N, K].
        weights: see :func:`loss_of`.
        mean: [D], taken off the features.
        vectors: of the basis [D, R]; with ``mean`` it decides the type that is computed in.
    """

    x: Rows
    y: Tensor
    weights: Tensor | None
    mean: Tensor
    vectors: Tensor

    def loss(self, weight: Tensor, bias: Tensor) -> Tensor:
        found: Tensor = _Sums.apply(weight, bias, self.sums)
        return found

    def sums(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss and its gradients by the weight [K, R] and the bias [K]."""
        turned, shift = (weight @ self.vectors.T).requires_grad_(), bias.detach().clone().requires_grad_()  # [K, D]
        loss, slope, tilt = 0.0, torch.zeros_like(turned, dtype=torch.float64), torch.zeros_like(shift, dtype=torch.float64)
        for x, y, weights in self._pieces():
            with torch.enable_grad():
                part = loss_of(x @ turned.T + shift, y, weights) * (len(x) / len(self.x))
            by_weight, by_bias = torch.autograd.grad(part, (turned, shift))
            loss, slope, tilt = loss + float(part.detach()), slope + by_weight, tilt + by_bias
        return weight.new_tensor(loss), slope.to(weight) @ self.vectors, tilt.to(bias)

    def curvature(self, weight: Tensor, bias: Tensor) -> float:
        turned = weight @ self.vectors.T
        found = [float(_curvature(x @ turned.T + bias, y.ndim == 2)) * len(x) for x, y, _ in self._pieces()]
        return sum(found) / len(self.x)

    def _pieces(self) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        start = 0
        for part in self.x.pieces():
            stop = start + len(part)
            weights = None if self.weights is None else self.weights[start:stop]
            yield part.to(self.mean) - self.mean, self.y[start:stop], weights
            start = stop


Sums = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class _Sums(torch.autograd.Function):
    """A value whose gradients are computed beside it, in the same pass over the data."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, sums: Sums) -> Tensor:
        loss, *gradients = sums(weight.detach(), bias.detach())
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor, None]:
        slope, tilt = ctx.saved_tensors
        return outer[0] * slope, outer[0] * tilt, None
