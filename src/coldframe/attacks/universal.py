"""One change for all images: a pixel prompt turned against the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from coldframe.attacks.checks import LEVELS, check_eps, checked_goal, checked_images
from coldframe.attacks.sanity import Model, check_gradient, examine, examine_gradient
from coldframe.errors import InputError


@dataclass(frozen=True)
class Perturbation:
    """One change for all images.

    Args:
        noise: [3, H, W], multiples of 1/255 within eps.
        fooled: which of the images it was made on reach the goal, bool [B].
    """

    noise: Tensor
    fooled: Tensor

    def apply(self, images: Tensor) -> Tensor:
        """Add it to images [B, 3, H, W] in [0, 1]; the result is clipped to [0, 1] and rounded to multiples of 1/255."""
        return ((images + self.noise).clamp(0, 1) * LEVELS).round() / LEVELS


class Universal:
    """Signed steps on the mean cross-entropy of all images that are not fooled, within the L-infinity ball.

    Args:
        eps: largest change of a value, in units of [0, 1].
        epochs: passes over the images, at most; it stops when all are fooled at once.
        step: length of a step; 1/255 by default.
        batch_size: images in one step.

    Source: Moosavi-Dezfooli et al. 2017, https://arxiv.org/abs/1610.08401, by the gradient steps of Shafahi et al. 2020.
    """

    def __init__(self, eps: float, *, epochs: int = 20, step: float = 1 / LEVELS, batch_size: int = 8) -> None:
        check_eps(eps)
        if epochs < 1 or batch_size < 1 or not 0 < step <= 1:
            found = f"{epochs}, {batch_size} and {step:g}"
            raise InputError(f"expected epochs and a batch size of 1 or more and a step in (0, 1], found {found}")
        self.eps, self.epochs, self.step, self.batch_size = eps, epochs, step, batch_size

    def __call__(self, model: Model, images: Tensor, labels: Tensor, targets: Tensor | None = None) -> Perturbation:
        """Find the change that fools most of the images [B, 3, H, W] in [0, 1]; see :class:`~coldframe.attacks.base.Attack`."""
        clean = checked_images(images)
        goal = checked_goal(labels, targets, len(clean), examine(model, clean), clean.device)
        reach, sign = math.floor(self.eps * LEVELS + 1e-4), -1.0 if targets is None else 1.0
        change, numbers = torch.zeros_like(clean[0]), torch.arange(len(clean), device=clean.device)
        batches = torch.split(numbers, self.batch_size)
        best, met = self._noise(change, reach), torch.zeros_like(numbers, dtype=torch.bool)
        for epoch in range(self.epochs):
            for rows in batches:
                part, noise = goal.of(rows), self._noise(change, reach).requires_grad_()
                logits = model((clean[rows] + noise).clamp(0, 1))
                left = ~part.reached(logits.detach(), 0.0)
                if not bool(left.any()):
                    continue
                check_gradient(logits)
                (gradient,) = torch.autograd.grad(sign * part.log_probability(logits)[left].sum(), noise)
                if not epoch:
                    examine_gradient(gradient[None])
                change = (change + self.step * gradient.sign()).clamp(-self.eps, self.eps)
            now = Perturbation(self._noise(change, reach), met)
            with torch.no_grad():
                fooled = torch.cat([goal.of(rows).reached(model(now.apply(clean[rows])), 0.0) for rows in batches])
            if not epoch or int(fooled.sum()) > int(met.sum()):
                best, met = now.noise, fooled
            if bool(met.all()):
                break
        return Perturbation(best, met)

    def _noise(self, change: Tensor, reach: int) -> Tensor:
        return (change * LEVELS).round().clamp(-reach, reach) / LEVELS
