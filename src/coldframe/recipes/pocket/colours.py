"""The colour words that are true of a picture, computed from its pixels."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (190, 40, 40),
    "orange": (225, 130, 45),
    "yellow": (225, 205, 70),
    "green": (70, 130, 55),
    "blue": (60, 100, 190),
    "purple": (120, 60, 140),
    "pink": (225, 150, 170),
    "brown": (110, 75, 45),
    "black": (20, 20, 20),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
}
"""Colour words and the sRGB colour each stands for; a pixel has the word of the nearest one in CIELAB."""
LEAD = 8.0
"""By how many of 255 steps the strongest channel's mean must lead the next for the picture to count as of its colour."""
SHARE = 0.3
"""Share of the pixels that the most frequent colour word must cover to be said of the picture."""


def strongest_channel(pixels: Tensor) -> Tensor:
    """Return the channel with the largest mean [N], -1 where its lead over the next is under :data:`LEAD`.

    Args:
        pixels: values in 0 .. 255 [N, 3, S, S].
    """
    means = pixels.double().mean(dim=(2, 3)) if pixels.device.type == "cpu" else pixels.float().mean(dim=(2, 3))  # [N, 3]
    ordered = means.sort(dim=1).values
    return torch.where(ordered[:, 2] - ordered[:, 1] >= LEAD, means.argmax(dim=1), -1)


def commonest_colour(pixels: Tensor) -> Tensor:
    """Return the palette word of most pixels [N], -1 where it covers under :data:`SHARE` of them.

    Args:
        pixels: values in 0 .. 255 [N, 3, S, S].
    """
    nearest = _nearest(pixels.device)
    code = pixels.to(torch.int32).clamp(0, 255) >> 3  # [N, 3, S, S]
    words = nearest[((code[:, 0] << 10) | (code[:, 1] << 5) | code[:, 2]).long()].flatten(1)  # [N, S * S]
    counts = torch.stack([(words == word).float().mean(dim=1) for word in range(len(PALETTE))], dim=1)  # [N, words]
    most, word = counts.max(dim=1)
    return torch.where(most >= SHARE, word, -1)


@cache
def _nearest(device: torch.device) -> Tensor:
    """Return the palette word of each colour of a cube of 32 steps per channel [32768]."""
    levels = torch.arange(32, dtype=torch.float64) * 8 + 4
    cube = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij"), dim=-1).view(-1, 3)
    anchors = _lab(torch.tensor(list(PALETTE.values()), dtype=torch.float64))
    return torch.cdist(_lab(cube), anchors).argmin(dim=1).to(device)


def _lab(rgb: Tensor) -> Tensor:
    """Map sRGB in 0 .. 255 to CIELAB (D65)."""
    c = rgb / 255
    linear = torch.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], dtype=torch.float64)
    xyz = linear @ matrix.T / torch.tensor([0.9505, 1.0, 1.089], dtype=torch.float64)
    f = torch.where(xyz > 0.008856, xyz.clamp(min=0) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], dim=1)
