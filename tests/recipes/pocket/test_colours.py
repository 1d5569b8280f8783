"""The colour words of pictures."""

from __future__ import annotations

import torch

from coldframe.recipes.pocket.colours import PALETTE, _lab, commonest_colour, strongest_channel


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


def test_lab_is_that_of_the_standard() -> None:
    known = {
        (255, 255, 255): (100.0, 0.0, 0.0), (128, 128, 128): (53.585, 0.0, 0.0), (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.735, -86.18, 83.18), (0, 0, 255): (32.30, 79.19, -107.86), (7, 7, 7): (1.919, 0.0, 0.0),
        (0, 0, 0): (0.0, 0.0, 0.0),
    }  # fmt: skip
    found = _lab(torch.tensor(list(known), dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor(list(known.values()), dtype=torch.float64), rtol=0, atol=0.03)


def test_every_cell_of_the_cube_has_the_nearest_word() -> None:
    levels = (torch.arange(32) * 8 + 4).to(torch.float64)
    anchors = _lab(torch.tensor(list(PALETTE.values()), dtype=torch.float64))
    for r, g, b in ((0, 0, 0), (31, 31, 31), (5, 17, 9), (28, 3, 12), (12, 30, 2), (20, 20, 21)):
        centre = levels[[r, g, b]]
        nearest = int((_lab(centre[None]) - anchors).square().sum(1).argmin())
        for offset in (-4, 3):
            corner = tuple(int(value) + offset for value in centre)
            assert commonest_colour(plain(corner)).tolist() == [nearest]


def test_limits_of_share_and_lead() -> None:
    red, blue = plain(PALETTE["red"]), plain(PALETTE["blue"])
    others = [plain(PALETTE[word])[..., :1] for word in ("green", "white", "black", "yellow", "purple", "orange", "pink")]
    assert commonest_colour(torch.cat([red[..., :3], *others], 3)).tolist() == [0]  # 3 of 10
    assert commonest_colour(torch.cat([blue[..., :2], *others], 3)).tolist() == [-1]
    assert strongest_channel(plain((88, 80, 20), (87, 80, 20))).tolist() == [0, -1]
