"""Logistic regression on top of given logits, with a penalty that sets whole columns to zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

STEPS = 300
"""Most steps for one penalty."""
ENOUGH = 1e-5
"""A step that moves the weights by less, as a share of their length, is the last."""


@dataclass(frozen=True)
class Columns:
    """What is added to the logits: ((x - mean) / spread) [:, kept] W^T + b.

    Args:
        mean: of every column [P].
        spread: standard deviation of every column [P]; 1 where a column is constant.
        weight: [K, P].
        bias: [K].
    """

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def none(cls) -> Columns:
        """Return nothing, before anything is known of the data."""
        return cls(*(torch.zeros(0) for _ in range(4)))

    def __call__(self, x: Tensor) -> Tensor:
        found: Tensor = (x - self.mean) / self.spread @ self.weight.T + self.bias
        return found

    @property
    def used(self) -> Tensor:
        """Whether a column is used [P]."""
        lengths: Tensor = self.weight.norm(dim=0)
        return lengths > 0


def path(x: Tensor, prior: Tensor, labels: Tensor, shares: Sequence[float]) -> Iterator[Columns]:
    """Yield for each penalty what minimises mean CE(prior + W p^ + b, y) + share * top * sum_j |W_:j|.

    ``top`` is the smallest penalty at which W = 0. FISTA: accelerated proximal steps, restarted where they
    overshoot, from one penalty to the next.

    Args:
        x: what every block gives [N, P], fp32.
        prior: given logits [N, K].
        labels: [N].
        shares: penalties as shares of ``top``, from large to small.

    Source:
        Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm (2009); O'Donoghue and Candes, Adaptive Restart
        for Accelerated Gradient Schemes (2015).
    """
    mean, spread = x.mean(0), x.std(0, correction=0)
    spread = torch.where(spread > 1e-6 * (1 + mean.abs()), spread, torch.ones_like(spread))
    z = (x - mean) / spread
    N, K = prior.shape
    target = functional.one_hot(labels, K).to(z)
    # The loss is smooth with at most half of the largest eigenvalue of z^T z / N, the column of ones for b included.
    gram = z @ z.T if z.shape[1] > N else z.T @ z
    smooth = 0.5 * (float(torch.linalg.matrix_norm(gram, 2)) / N + 1)
    weight = z.new_zeros(K, z.shape[1])
    _, bias = _solve(z[:, :0], prior, target, weight[:, :0], z.new_zeros(K), 0.0, 0.5)
    top = float((((prior + bias).softmax(-1) - target).T @ z / N).norm(dim=0).max())
    found = Columns(mean, spread, weight, bias)
    for share in shares:
        weight, bias = _solve(z, prior, target, weight, bias, share * top, smooth)
        yield replace(found, weight=weight.clone(), bias=bias.clone())


def _solve(
    z: Tensor, prior: Tensor, target: Tensor, weight: Tensor, bias: Tensor, penalty: float, smooth: float
) -> tuple[Tensor, Tensor]:
    ahead, ahead_bias, momentum = weight, bias, 1.0
    for _ in range(STEPS):
        error = ((prior + z @ ahead.T + ahead_bias).softmax(-1) - target) / len(z)  # [N, K]
        moved = ahead - error.T @ z / smooth
        moved = moved * (1 - penalty / smooth / moved.norm(dim=0).clamp_min(1e-30)).clamp_min(0)
        moved_bias = ahead_bias - error.sum(0) / smooth
        change = moved - weight
        if float(((ahead - moved) * change).sum()) > 0:
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        pull = (momentum - 1) / following
        ahead, ahead_bias = moved + pull * change, moved_bias + pull * (moved_bias - bias)
        still = float(change.norm() + (moved_bias - bias).norm())
        weight, bias, momentum = moved, moved_bias, following
        if still <= ENOUGH * float(weight.norm() + bias.norm() + 1e-12):
            break
    return weight, bias
