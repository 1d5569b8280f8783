"""What an attack is asked for, and the refusal of what it cannot use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from coldframe.errors import InputError

LEVELS = 255
"""Steps between black and white of an 8-bit file."""
SMALLEST = 8
"""Pixels of the shortest side that is still called a picture."""
SLACK = 1e-6
"""How far float error may carry a pixel outside [0, 1]."""


@dataclass(frozen=True)
class Goal:
    """What the images are to be taken for, or no longer be taken for.

    Args:
        labels: true classes [B], int64.
        targets: wanted classes [B], int64, or None where any wrong class will do.
    """

    labels: Tensor
    targets: Tensor | None

    def of(self, rows: Tensor) -> Goal:
        """Return the goal of some of the images."""
        return Goal(self.labels[rows], None if self.targets is None else self.targets[rows])

    def log_probability(self, logits: Tensor) -> Tensor:
        """Return log P of the target, or of the true class where there is none: [B]."""
        wanted = self.labels if self.targets is None else self.targets
        return logits.float().log_softmax(-1).gather(1, wanted[:, None])[:, 0]

    def reached(self, logits: Tensor, confidence: float) -> Tensor:
        """Return which images are fooled: bool [B].

        With targets: the target comes first and has at least ``confidence``. Without: another class than the true one
        comes first, and the true one keeps at most ``1 - confidence``.
        """
        first, probability = logits.argmax(-1), self.log_probability(logits).exp()
        if self.targets is None:
            return (first != self.labels) & (probability <= 1 - confidence)
        return (first == self.targets) & (probability >= confidence)


def radius(text: str) -> float:
    """Return a number written as ``0.03`` or as a fraction such as ``8/255``."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"expected a number or a fraction such as 8/255 for eps, found {text!r}") from error


def check_eps(eps: float, largest: float = 1.0, uint8: bool = True) -> None:
    """Raise :class:`InputError` where eps is not a radius in (0, largest], or too small to change an 8-bit file."""
    if not 0 < eps <= largest:
        advice = "write 8/255 for 8 of the 255 steps of a file"
        raise InputError(f"expected eps above 0 and at most {largest:g}, in units of [0, 1], found {eps:g}; {advice}")
    if uint8 and eps * LEVELS < 1 - 1e-4:
        raise InputError(f"expected eps of at least 1/255, found {eps * LEVELS:.3g}/255: it cannot change an 8-bit image")


def checked_images(images: Tensor, uint8: bool = True) -> Tensor:
    """Return float32 images within [0, 1], on multiples of 1/255 where asked for; one sentence for all others."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point() or not len(images):
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
        raise InputError(f"expected float images [B, 3, H, W] in [0, 1], found {found}; divide uint8 images by 255")
    if min(images.shape[2:]) < SMALLEST:
        side = f"{images.shape[2]} x {images.shape[3]}"
        raise InputError(f"expected images of at least {SMALLEST} x {SMALLEST} pixels, found {side}; give larger ones")
    low, high = float(images.min()), float(images.max())
    if not (low >= -SLACK and high <= 1 + SLACK):
        raise InputError(
            f"expected images in [0, 1], found values from {low:.3g} to {high:.3g}; leave normalisation to the model"
        )
    plain = images.detach().to(torch.float32).clamp(0, 1)
    whole = (plain * LEVELS).round() / LEVELS
    if not uint8:
        return plain
    if float((whole - plain).abs().max()) > 10 * SLACK:
        raise InputError("expected images that are multiples of 1/255, found others; round them, or give uint8=False")
    return whole


def checked_goal(labels: Tensor, targets: Tensor | None, n: int, classes: int, device: torch.device) -> Goal:
    """Return the goal of ``n`` images; one sentence where a class is out of range or the target is the true class."""
    for name, values in (("labels", labels), ("targets", targets)):
        if values is None:
            continue
        if values.shape != (n,) or values.dtype != torch.int64:
            raise InputError(f"expected {n} int64 {name}, one per image, found {values.dtype} {tuple(values.shape)}")
        wrong = values[(values < 0) | (values >= classes)]
        if len(wrong):
            one = {"labels": "true class", "targets": "target"}[name]
            raise InputError(f"expected a {one} from 0 to {classes - 1}, found {int(wrong[0])}; choose one of these")
    if targets is not None and bool((targets == labels).any()):
        same = int(labels[targets == labels][0])
        raise InputError(f"expected a target other than the true class, found {same} for both; choose another target")
    return Goal(labels.to(device), None if targets is None else targets.to(device))
