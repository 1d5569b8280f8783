"""Robust accuracy: the share of images that anything which classifies them still gets right under attack.

The attack is untargeted PGD in the L-infinity ball. The radii of a curve are taken in rising order, and an image that was
fooled within a ball counts as fooled in every larger one, which contains it: the curve never rises, and only images that still
stand are worked on. Images are attacked as real numbers, not rounded to 8 bits, so that radii below 1/255 mean something.

    attack_curve(model, split, preprocess, [0, 2 / 255, 4 / 255]).top1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from coldframe.attacks import PGD, Model
from coldframe.attacks.checks import LEVELS
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError
from coldframe.types import Preprocess

Progress = Callable[[int, int], None]
USUAL = 4 / 255
"""The radius that robust accuracies are most often given at."""
STEPS = 20
_CHUNK = 64
"""Images that are held at once; those that still stand are packed together again for every radius."""
_PIXELS = 8 * 224**2
"""Of the images attacked at once on a CPU: more miss its caches, fewer leave it idle."""


@dataclass(frozen=True)
class AttackCurve:
    """Top-1 against the radius of an untargeted attack.

    Args:
        eps: radii in units of [0, 1], rising; 0 is the clean images.
        top1: fractions that are still right, one a radius.
        clean: top-1 of the same images as they are.
        n: images.
        steps: of the attack, at most.
        restarts: how often it began, at most.
    """

    eps: tuple[float, ...]
    top1: tuple[float, ...]
    clean: float
    n: int
    steps: int = STEPS
    restarts: int = 1

    @property
    def named(self) -> float:
        """The radius that ``robust_top1`` stands for: 4/255 where it is measured, else the largest."""
        return next((eps for eps in self.eps if math.isclose(eps, USUAL, rel_tol=1e-3)), self.eps[-1])

    @property
    def robust_top1(self) -> float:
        """Top-1 at :attr:`named`."""
        return self.top1[self.eps.index(self.named)]

    @property
    def fooled(self) -> float | None:
        """The share of the right answers that are wrong at :attr:`named`; None where no answer was right."""
        return 1 - self.robust_top1 / self.clean if self.clean else None


def eps_text(eps: float) -> str:
    """Return a radius as people write it.

    Example:
        >>> eps_text(4 / 255), eps_text(0.5 / 255), eps_text(0.03), eps_text(0)
        ('4/255', '0.5/255', '0.03', '0')
    """
    halves = 2 * LEVELS * eps
    return f"{round(halves) / 2:g}/{LEVELS}" if eps and abs(halves - round(halves)) < 1e-3 else f"{eps:g}"


def checked_radii(eps: Sequence[float]) -> tuple[float, ...]:
    """Return radii, each once, rising. Raises :class:`InputError` where one is outside [0, 1], or there is none above 0."""
    for value in eps:
        if not 0 <= value <= 1:
            raise InputError(f"expected eps from 0 to 1, in units of [0, 1], found {value:g}; write 4/255 for 4 of 255 steps")
    if not any(eps):
        raise InputError("expected at least one eps above 0, such as 4/255, found none")
    return tuple(sorted({float(value) for value in eps}))


def attack_curve(
    model: Model,
    split: Split,
    preprocess: Preprocess,
    eps: Sequence[float],
    *,
    steps: int = STEPS,
    restarts: int = 1,
    seed: int = 0,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> AttackCurve:
    """Measure top-1 under untargeted PGD of several radii.

    Args:
        model: images in [0, 1], [B, 3, S, S] -> logits [B, K], with its own normalisation inside.
        split: N images with labels.
        preprocess: how they are decoded.
        eps: radii in units of [0, 1]; 0 is the clean images.
        steps: forward-and-backward passes, at most; each moves a pixel by 2.5 eps / steps.
        restarts: the first begins at the image itself, the others at random points of the ball.
        seed: of the restarts.
        batch_size: most images attacked at once; 8 of 224 x 224 pixels, more of smaller ones, when None.
        device: where ``model`` runs.
        progress: called with (chunks of images done, chunks in all).

    Raises:
        InputError: no images, no radius, one outside [0, 1], or a model whose gradients do not reach the pixels.
    """
    radii = checked_radii(eps)
    attacks = {
        radius: PGD(radius, steps=steps, step=2.5 * radius / max(steps, 1), restarts=restarts, uint8=False, seed=seed)
        for radius in radii
        if radius
    }
    if not len(split):
        raise InputError("expected at least one image to attack, found none; check the split")
    size = batch_size or max(1, min(_CHUNK, _PIXELS // preprocess.size**2))
    standing, clean = np.zeros(len(radii)), 0
    starts = range(0, len(split), _CHUNK)
    for number, start in enumerate(starts, 1):
        rows = range(start, min(start + _CHUNK, len(split)))
        pixels = torch.from_numpy(load_pixels(split.images, rows, preprocess))  # [B, 3, S, S]
        images = pixels.to(device).float().div(LEVELS)
        labels = torch.from_numpy(split.labels[rows.start : rows.stop]).to(device)
        with torch.no_grad():
            right = torch.cat([model(piece).argmax(-1) for piece in torch.split(images, size)]) == labels
        images, labels = images[right], labels[right]
        clean += len(images)
        for place, radius in enumerate(radii):
            if radius and len(images):
                pieces = zip(torch.split(images, size), torch.split(labels, size), strict=True)
                fooled = torch.cat([attacks[radius](model, *piece).fooled for piece in pieces])
                images, labels = images[~fooled], labels[~fooled]
            standing[place] += len(images)
        if progress is not None:
            progress(number, len(starts))
    shares = tuple(float(value) for value in standing / len(split))
    return AttackCurve(radii, shares, clean / len(split), len(split), steps, restarts)
