"""Batches of pocket's training: the order is a function of seed and epoch, the augmentation of seed and step."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from coldframe.recipes.pocket.corpus import Pictures

PAD = 4
"""Pixels of mirrored margin for random crops."""
JITTER = 0.2
"""Contrast is multiplied by 1 +- this, and this many standard deviations of brightness are added or taken."""


class Feed:
    """Augmented, normalised batches of some pictures.

    Args:
        pictures: N of them; the last N % batch of an epoch's order are left out of it.
        batch: B.
        seed: of order and augmentation.
        mean: channel means in units of [0, 1].
        std: channel standard deviations in units of [0, 1].
        device: where the batches shall be.
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
        margin = (PAD, PAD, PAD, PAD)
        self.padded = F.pad(torch.from_numpy(pictures.pixels).float(), margin, mode="reflect").to(torch.uint8)
        self.size = pictures.pixels.shape[-1]
        self.seed, self.size_of_batch, self.device = seed, batch, device
        self.mean = torch.tensor(mean).view(3, 1, 1)
        self.std = torch.tensor(std).view(3, 1, 1)
        self.steps_per_epoch = len(pictures) // batch

    def batch(self, step: int) -> tuple[Tensor, NDArray[np.int64], torch.Generator]:
        """Return the images of a step [B, 3, S, S], their rows [B], and the generator of this step's further draws."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.padded))
        rows = order[at * self.size_of_batch : (at + 1) * self.size_of_batch]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        B, S = len(rows), self.size
        shift = torch.randint(0, 2 * PAD + 1, (B, 2), generator=generator)
        flip = torch.rand(B, generator=generator) < 0.5
        source = self.padded[torch.from_numpy(rows)]
        cropped = torch.stack([source[i, :, y : y + S, x : x + S] for i, (y, x) in enumerate(shift.tolist())])
        cropped[flip] = cropped[flip].flip(-1)
        images = normalised(cropped, self.mean, self.std)
        contrast = 1 + JITTER * (2 * torch.rand(B, 1, 1, 1, generator=generator) - 1)
        brightness = JITTER * (2 * torch.rand(B, 1, 1, 1, generator=generator) - 1)
        return (images * contrast + brightness).to(self.device), rows, generator


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Map uint8 pixels [B, 3, S, S] to the network's input."""
    return (pixels.float() / 255 - mean) / std
