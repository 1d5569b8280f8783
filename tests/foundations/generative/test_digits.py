"""Digits in memory: grey levels, what is refused, and the bundled sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.data import from_arrays
from coldframe.errors import DataError, InputError
from coldframe.foundations.generative import digits


def test_levels_of_every_grey_value_follow_the_formula() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    for levels in (2, 3, 10, 16, 255, 256):
        expected = torch.floor(levels * pixels.double() / 255).clamp(max=levels - 1)
        found = digits.to_levels(pixels, levels)
        assert found.dtype == torch.uint8
        assert torch.equal(found.double(), expected)
    assert torch.equal(digits.to_levels(pixels, 16), pixels >> 4)


@pytest.mark.parametrize("levels", [0, 1, 257, -3])
def test_a_number_of_levels_out_of_range_is_refused(levels: int) -> None:
    with pytest.raises(InputError, match=f"2 to 256 grey levels, found {levels}"):
        digits.to_levels(torch.zeros(1, 28, 28, dtype=torch.uint8), levels)


def test_pictures_of_another_size_are_refused_by_name() -> None:
    data = from_arrays(np.zeros((12, 8, 8, 3), np.uint8), np.arange(12) % 2)
    with pytest.raises(DataError, match=r"28 x 28 pixels, found 8 x 8 in train array row .*; resize"):
        digits.read_all(data)


def test_copies_of_a_grey_picture_become_one_channel() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
    data = from_arrays(np.repeat(grey[..., None], 3, axis=3), np.arange(12) % 2)
    found = digits.read_all(data)
    assert sorted(len(split) for split in found.values()) == sorted([len(data.train), len(data.val), len(data.test)])
    rows = {row.tobytes() for row in grey}
    assert all(row.numpy().tobytes() in rows for split in found.values() for row in split.pixels)


@pytest.mark.parametrize(("value", "message"), [
    (torch.zeros(2, 32, 32), r"\[N, 28, 28\], found \[2, 32, 32\]"), (torch.full((2, 28, 28), 1.5), "from 0 to 1, found 1.5"),
    (torch.full((1, 28, 28), float("nan")), "from 0 to 1, found nan"), (torch.zeros(2, 28, 28, dtype=torch.int64), "uint8"),
    (torch.full((1, 1, 28, 28), -1.0), "from 0 to 1, found -1"),
])  # fmt: skip
def test_tensors_of_another_size_type_or_range_are_refused(value: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        digits.to_pixels(value)


def test_floats_become_the_pixels_they_came_from() -> None:
    pixels = torch.arange(784, dtype=torch.int64).remainder(256).to(torch.uint8).view(1, 28, 28)
    assert torch.equal(digits.to_pixels(pixels.double()[:, None] / 255.0), pixels)
    assert digits.to_pixels(pixels) is pixels


def test_labels_must_fit() -> None:
    with pytest.raises(DataError, match="expected 2 labels"):
        digits.Digits(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), ("a",))


def test_the_bundled_sample_is_read() -> None:
    found = digits.read_all(digits.load("mini:mnist"))
    assert {name: len(split) for name, split in found.items()} == {"train": 1800, "val": 200, "test": 1000}
    assert 20 < float(found["train"].pixels.float().mean()) < 50


@pytest.mark.shared_data
@pytest.mark.slow
def test_mnist_is_read_by_its_short_name() -> None:
    found = digits.read_all(digits.load("mnist"))
    assert {name: len(split) for name, split in found.items()} == {"train": 54_000, "val": 6_000, "test": 10_000}
    assert len(found["test"].classes) == 10
