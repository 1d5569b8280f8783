"""The colour words of pictures."""

from __future__ import annotations

import torch

from coldframe.recipes.pocket.colours import PALETTE, commonest_colour, strongest_channel


def plain(*colours: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, 3, 6, 6)


def test_every_palette_word_names_its_own_colour() -> None:
    assert commonest_colour(plain(*PALETTE.values())).tolist() == list(range(len(PALETTE)))


def test_a_colour_that_covers_little_is_not_named() -> None:
    words = list(PALETTE.values())
    pixels = torch.cat([plain(words[i])[..., :1] for i in (0, 2, 3, 4, 8, 10)], dim=3)
    assert commonest_colour(pixels).tolist() == [-1]


def test_the_strongest_channel_needs_a_clear_lead() -> None:
    assert strongest_channel(plain((90, 80, 80), (80, 80, 85), (10, 10, 200))).tolist() == [0, -1, 2]
