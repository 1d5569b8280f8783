"""Batches as a function of seed, epoch and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import same_numbers

from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.feed import PAD, Feed, coloured, moved, normalised, pasted

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@pytest.fixture
def feed() -> Feed:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 12, 12)).astype(np.uint8)
    return Feed(Pictures(pixels, np.arange(20)), 6, 7, MEAN, STD, torch.device("cpu"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_step_is_the_same_each_time(feed: Feed) -> None:
    first, again = feed.batch(4), feed.batch(4)
    assert torch.equal(first.images, again.images) and torch.equal(first.first, again.first)
    assert first.images.shape == (6, 3, 12, 12)
    assert not torch.equal(first.images, feed.batch(5).images)


def test_an_epoch_shows_no_picture_twice(feed: Feed) -> None:
    assert feed.steps_per_epoch == 3
    epochs = [[row for step in range(3) for row in feed.batch(3 * epoch + step).first.tolist()] for epoch in range(2)]
    assert all(len(set(rows)) == 18 for rows in epochs)
    assert epochs[0] != epochs[1]


def test_moved_pictures_are_of_the_picture_itself() -> None:
    x = torch.rand(64, 3, 1, 1).expand(-1, -1, 32, 32)
    torch.testing.assert_close(moved(x, generator()), x)


def test_a_picture_that_is_not_turned_is_moved_by_whole_pixels_or_flipped() -> None:
    x = torch.arange(32.0).expand(200, 3, 32, 32).contiguous()
    y = moved(x, generator(1))[:, 0, 16, 8:24]  # far from the mirrored margin
    steps = (y[:, 1:] - y[:, :-1]).round(decimals=3)
    straight = (steps == steps[:, :1]).all(dim=1) & ((y - y.round()).abs() < 1e-3).all(dim=1)
    assert 70 < straight.sum() < 130
    assert set(steps[straight][:, 0].tolist()) == {1.0, -1.0}
    forward = straight & (steps[:, 0] == 1)
    shifts = (y[forward][:, 0] - 8).round().int().tolist()
    assert min(shifts) == -PAD and max(shifts) == PAD


def test_colours_stay_in_range_and_keep_their_order_of_channels() -> None:
    x = torch.tensor([0.6, 0.4, 0.2]).view(1, 3, 1, 1).expand(50, -1, 4, 4)
    y = coloured(x, generator())
    assert y.min() >= 0 and y.max() <= 1
    assert bool((y[:, 0] > y[:, 1]).all() and (y[:, 1] > y[:, 2]).all())


def test_the_share_says_how_much_is_the_picture_s_own() -> None:
    x = torch.arange(100.0).view(100, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    y, share = pasted(x, generator())
    own = (y == x).float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(own, share)
    assert bool(((y == x) | (y == x.roll(1, 0))).all())
    assert 30 < (share == 1).sum() < 75


def test_colour_answers_are_of_what_is_shown() -> None:
    pixels = np.zeros((8, 3, 12, 12), np.uint8)
    pixels[:, 2] = 190
    batch = Feed(Pictures(pixels, np.arange(8)), 8, 0, MEAN, STD, torch.device("cpu")).batch(0)
    assert batch.channel.tolist() == [2] * 8


def test_batches_are_the_ones_they_were(feed: Feed) -> None:
    batch = feed.batch(4)
    found = {"images": batch.images, "share": batch.share, "first": batch.first, "second": batch.second, "colour": batch.colour}
    found |= {"channel": batch.channel, "rest": torch.rand(3, generator=batch.generator)}
    same_numbers(__file__, "batch", found, 1e-4)
    x = torch.rand(16, 3, 24, 24, generator=generator(3))
    same_numbers(__file__, "moved", {"moved": moved(x, generator(4)), "coloured": coloured(x, generator(5))}, 1e-4)
    y, share = pasted(x, generator(6))
    same_numbers(__file__, "pasted", {"pasted": y, "share": share}, 1e-4)


def test_pictures_are_normalised() -> None:
    found = normalised(torch.tensor([[0, 255]], dtype=torch.uint8), torch.tensor(0.25), torch.tensor(0.5))
    assert found.tolist() == [[-0.5, 1.5]]
