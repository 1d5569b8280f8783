"""Attacks by projected gradient steps: signed ones, the course's ascent on the probability, and L2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from coldframe.attacks.base import Attack
from coldframe.attacks.checks import LEVELS


class _Cube(Attack):
    """The L-infinity ball: every value may move by eps."""

    def _usual_step(self) -> float:
        return max(2.5 * self.eps / self.steps, 1 / LEVELS)

    def _project(self, change: Tensor) -> Tensor:
        return change.clamp(-self.eps, self.eps)

    def _whole(self, change: Tensor) -> Tensor:
        # 8/255 times 255 is not always 8 in floats
        reach = math.floor(self.eps * LEVELS + 1e-4)
        return change.round().clamp(-reach, reach)

    def _start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return (2 * torch.rand(shape, generator=generator) - 1) * self.eps


class PGD(_Cube):
    """Signed steps on the cross-entropy within the L-infinity ball: X' <- clip(X' + step * sign(d log P / dX')).

    Source: Madry et al. 2018, https://arxiv.org/abs/1706.06083; with momentum Dong et al. 2018.

    Example:
        >>> attack = PGD(8 / 255, steps=20)
        >>> found = attack(model, images, labels, targets)  # doctest: +SKIP
    """

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign()


class Ascent(_Cube):
    """Ascent on the probability itself with projection: X' <- clip(X' + step * d P(y_fool | X') / dX').

    The gradient of P is P times that of log P: next to nothing while P is small. ``normalise`` divides it by its mean
    absolute value, so that the average pixel moves by ``step``; for one image that is the direction of log P.

    Args:
        eps: radius of the L-infinity ball.
        normalise: whether to; without it the rule is as it stands above, and crawls.
        settings: those of :class:`~coldframe.attacks.base.Attack`.
    """

    def __init__(self, eps: float, *, normalise: bool = True, **settings: object) -> None:
        super().__init__(eps, **settings)  # type: ignore[arg-type]
        self.normalise = normalise

    def _direction(self, gradient: Tensor) -> Tensor:
        if not self.normalise:
            return gradient
        return gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)

    def _height(self, log_probability: Tensor) -> Tensor:
        return log_probability.exp()


class L2PGD(Attack):
    """Steps along the gradient of the cross-entropy, of Euclidean length ``step``, within the L2 ball.

    eps is the Euclidean length of the change over all 3 * H * W values in units of [0, 1]. Rounding goes to the nearest
    whole steps of a file; where that leaves the ball, the changes that gained most by rounding are rounded down.
    """

    largest = float("inf")

    def _usual_step(self) -> float:
        return 2.5 * self.eps / self.steps

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient / _length(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)

    def _project(self, change: Tensor) -> Tensor:
        return change * (self.eps / _length(change).clamp_min(1e-12)).clamp_max(1)

    def _whole(self, change: Tensor) -> Tensor:
        size, sign = change.abs().flatten(1).double(), change.sign()
        near = size.round()
        budget = (self.eps * LEVELS) ** 2 + 1e-4
        for row in (near.square().sum(1) > budget).nonzero()[:, 0].tolist():
            gained, order = (near[row] - size[row]).sort(descending=True)
            saved = torch.where(gained > 0, 2 * near[row][order] - 1, 0).cumsum(0)
            excess = near[row].square().sum() - budget
            near[row, order[: int(torch.searchsorted(saved, excess)) + 1]] -= 1
        return near.view_as(change).to(change) * sign

    def _start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        way = torch.randn(shape, generator=generator)
        return way / _length(way) * self.eps * torch.rand(shape[0], 1, 1, 1, generator=generator)


def _length(change: Tensor) -> Tensor:
    """Return the Euclidean length of each image's change, [B, 1, 1, 1]."""
    return change.square().sum((1, 2, 3), keepdim=True).sqrt()
