"""Batches of pocket's training: the order is a function of seed and epoch, the augmentation of seed and step.

Pictures are moved, turned and scaled, some are pasted into others (CutMix, Yun et al. 2019, arXiv 1905.04899), and the
colour answers are computed from what is left, so that a caption is true of the picture that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe.recipes.pocket.colours import commonest_colour, strongest_channel
from coldframe.recipes.pocket.corpus import Pictures

PAD = 4
"""Pixels by which a picture of 32 is moved at most; what comes in from outside is mirrored."""
JITTER = 0.25
"""Contrast and saturation are multiplied by 1 +- this, and this share of half the range of brightness is added or taken."""
TURNED = 0.5
"""Share of the pictures that are turned, scaled and sheared as well."""
MIXED = 0.5
"""Share of the pictures into which a box of another is pasted."""


@dataclass(frozen=True)
class Batch:
    """B pictures of a step and what is true of them.

    Args:
        images: normalised pixels [B, 3, S, S].
        first: label of each picture [B].
        second: label of what was pasted into it [B].
        share: share of the first [B], 1 where nothing was pasted.
        channel: strongest channel [B], or -1.
        colour: most frequent palette word [B], or -1.
        generator: of this step's further draws.
    """

    images: Tensor
    first: Tensor
    second: Tensor
    share: Tensor
    channel: Tensor
    colour: Tensor
    generator: torch.Generator


class Feed:
    """Augmented, normalised batches of some pictures.

    Args:
        pictures: N of them; the last N % batch of an epoch's order are left out of it.
        batch: B.
        seed: of order and augmentation.
        mean: channel means in units of [0, 1].
        std: channel standard deviations in units of [0, 1].
        device: where the pictures and batches are.
    """

    def __init__(
        self,
        pictures: Pictures,
        batch: int,
        seed: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        device: torch.device,
    ) -> None:
        self.pixels = torch.from_numpy(pictures.pixels).to(device)
        self.labels = torch.from_numpy(pictures.labels).to(device)
        self.seed, self.size_of_batch, self.device = seed, batch, device
        self.mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(std, device=device).view(3, 1, 1)
        self.steps_per_epoch = len(pictures) // batch
        self._order = (-1, self.labels)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        epoch, at = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.pixels))
            self._order = (epoch, torch.from_numpy(order).to(self.device))
        rows = self._order[1][at * self.size_of_batch : (at + 1) * self.size_of_batch]
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + step)
        pixels = moved(self.pixels[rows].float() / 255, generator)
        pixels, share = pasted(coloured(pixels, generator), generator)
        labels, shown = self.labels[rows], pixels * 255
        return Batch(
            (pixels - self.mean) / self.std,
            labels,
            labels.roll(1),
            share,
            strongest_channel(shown),
            commonest_colour(shown),
            generator,
        )


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def moved(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Flip half of the pictures [B, 3, S, S] and move all by whole pixels; turn, scale and shear :data:`TURNED` of them."""
    B, _, S, _ = pixels.shape
    turned = (_uniform(B, 0, 1, generator) < TURNED).float()
    angle = turned * _uniform(B, -0.3, 0.3, generator)
    shear = turned * _uniform(B, -0.2, 0.2, generator)
    scale_x, scale_y = (1 + turned * _uniform(B, -0.3, 0.2, generator) for _ in range(2))
    flip = torch.where(_uniform(B, 0, 1, generator) < 0.5, -1.0, 1.0)
    reach = round(PAD * S / 32)
    drawn = torch.randint(-reach, reach + 1, (B, 2), generator=generator, device=pixels.device)
    c, s = angle.cos(), angle.sin()
    rows_x = torch.stack((flip * c * scale_x, (shear - s) * scale_y, drawn[:, 0] * (2 / S)), dim=1)
    rows_y = torch.stack((flip * s * scale_x, c * scale_y, drawn[:, 1] * (2 / S)), dim=1)
    grid = F.affine_grid(torch.stack((rows_x, rows_y), dim=1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def coloured(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change saturation, contrast and brightness of pictures [B, 3, S, S] with values in [0, 1]."""
    B = len(pixels)
    saturation, contrast, brightness = (_uniform(B, -JITTER, JITTER, generator).view(B, 1, 1, 1) for _ in range(3))
    grey = pixels.mean(dim=1, keepdim=True)
    pixels = grey + (pixels - grey) * (1 + saturation)
    middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return (middle + (pixels - middle) * (1 + contrast) + 0.5 * brightness).clamp(0, 1)


def pasted(pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paste a box of the picture before into :data:`MIXED` of the pictures; return them and the share that is their own [B]."""
    B, _, S, _ = pixels.shape
    side = S * _uniform(B, 0, 1, generator).sqrt()  # the box's area is uniform before it is cut at the edge
    side = torch.where(_uniform(B, 0, 1, generator) < MIXED, side, 0.0)
    at = torch.arange(S, device=pixels.device) + 0.5
    y, x = (((at - _uniform(B, 0, S, generator)[:, None]).abs() < side[:, None] / 2) for _ in range(2))
    box = y[:, None, :, None] & x[:, None, None, :]  # [B, 1, S, S]
    return torch.where(box, pixels.roll(1, 0), pixels), 1 - box.float().mean(dim=(1, 2, 3))


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Map uint8 pixels [B, 3, S, S] to the network's input."""
    return (pixels.float() / 255 - mean) / std
