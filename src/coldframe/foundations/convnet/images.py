"""Pictures in memory as bytes; a batch is cut out, mirrored and normalised when it is used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coldframe.errors import DataError
from coldframe.foundations.mlp.pictures import CIFAR, Examples
from coldframe.training import order

SIDE = 32


@dataclass(frozen=True, eq=False)
class Pictures:
    """N labelled pictures of 32 x 32 pixels.

    Args:
        pixels: uint8, channels last, reflected by ``margin`` pixels on each side [N, 32 + 2 margin, 32 + 2 margin, 3].
        labels: int64 [N].
        classes: K names.
        margin: largest shift in pixels.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    margin: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, examples: Examples, margin: int = 0) -> Pictures:
        """Return pictures made of rows [N, 3 x 32 x 32] of uint8.

        Raises:
            DataError: the rows are no such pictures.
        """
        if examples.x.dtype.name != "uint8" or examples.x.shape[1] != 3 * SIDE * SIDE:
            raise DataError(
                f"expected RGB pictures of {SIDE} x {SIDE} as uint8, found rows of {examples.x.shape[1]} {examples.x.dtype} "
                "values; resize them first"
            )
        pixels = torch.from_numpy(examples.x).view(-1, 3, SIDE, SIDE).permute(0, 2, 3, 1)  # [N, 32, 32, 3]
        if margin:
            place = torch.arange(-margin, SIDE + margin).abs()
            place = torch.where(place >= SIDE, 2 * (SIDE - 1) - place, place)
            pixels = pixels[:, place][:, :, place]
        return cls(pixels.contiguous(), torch.from_numpy(examples.labels), examples.classes, margin)

    def to(self, device: torch.device | str) -> Pictures:
        """Return the same pictures on a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def whole(self, items: Tensor | slice) -> Tensor:
        """Return pictures as they are, normalised, float32 [B, 3, 32, 32] in channels-last memory."""
        inner = slice(self.margin, self.margin + SIDE)
        items = items.to(self.pixels.device) if isinstance(items, Tensor) else items
        return normalised(self.pixels[items][:, inner, inner])

    def varied(self, items: Tensor, seed: int, epoch: int, *, flip: bool = True) -> Tensor:
        """Return pictures shifted by up to ``margin`` pixels and mirrored every other epoch, normalised.

        Half of the pictures, drawn once a run, are mirrored in even epochs and the other half in odd ones, so that two
        epochs together show each picture both ways ("alternating flip", Jordan 2024). What a picture gets is a function of
        (seed, epoch, its number).

        Args:
            items: numbers of the pictures [B].
            seed: of the run.
            epoch: from 0.
            flip: whether to mirror at all.

        Returns:
            float32 [B, 3, 32, 32] in channels-last memory.
        """
        n = len(self)
        draws = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        tops, lefts = torch.randint(0, 2 * self.margin + 1, (2, n), generator=draws)[:, items]
        mirrored = (order(seed, -1, n)[items] + epoch) % 2 == 1 if flip else torch.zeros(len(items), dtype=torch.bool)
        steps = torch.arange(SIDE)
        rows = tops[:, None] + steps  # [B, 32]
        columns = lefts[:, None] + torch.where(mirrored[:, None], steps.flip(0), steps)  # [B, 32]
        places = (items[:, None, None], rows[:, :, None], columns[:, None, :])
        return normalised(self.pixels[tuple(place.to(self.pixels.device) for place in places)])


def normalised(pixels: Tensor) -> Tensor:
    """Return (pixels / 255 - mean) / std of CIFAR-10 in channels-last memory; [B, H, W, 3] becomes [B, 3, H, W]."""
    mean, std = (torch.tensor(values, dtype=torch.float32, device=pixels.device) for values in (CIFAR.mean, CIFAR.std))
    return torch.addcmul(-mean / std, pixels.float(), 1 / (255 * std)).permute(0, 3, 1, 2)
