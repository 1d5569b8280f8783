"""Batches as a function of seed, epoch and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.feed import Feed

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@pytest.fixture
def feed() -> Feed:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 12, 12)).astype(np.uint8)
    nothing = np.full(20, -1)
    return Feed(Pictures(pixels, np.arange(20) % 10, nothing, nothing), 6, 7, MEAN, STD, torch.device("cpu"))


def test_a_step_is_the_same_each_time(feed: Feed) -> None:
    first, rows, _ = feed.batch(4)
    again, rows_again, _ = feed.batch(4)
    assert torch.equal(first, again) and rows.tolist() == rows_again.tolist()
    assert first.shape == (6, 3, 12, 12)


def test_an_epoch_shows_no_picture_twice(feed: Feed) -> None:
    assert feed.steps_per_epoch == 3
    epochs = [[row for step in range(3) for row in feed.batch(3 * epoch + step)[1].tolist()] for epoch in range(2)]
    assert all(len(set(rows)) == 18 for rows in epochs)
    assert epochs[0] != epochs[1]


def test_crops_and_flips_are_of_the_picture_itself(feed: Feed) -> None:
    feed.padded[:] = 128
    images, _, _ = feed.batch(0)
    assert float((images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))).max()) < 1e-5
    assert float(images.abs().max()) < 0.3
