"""Images become rows, and data that cannot be learned from is refused."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import same_numbers

from coldframe.data import from_arrays, load_dataset
from coldframe.errors import DataError
from coldframe.foundations.mlp.pictures import CIFAR, Examples, read

LABELS = np.array([0, 1, 0])


def test_pixels_of_32_by_32_are_kept_and_normalised_by_channel() -> None:
    split = load_dataset("mini:cifar10").test.subset([5, 9])
    found = read(split)
    expected = np.asarray(split.images.open(1)).transpose(2, 0, 1)  # [3, 32, 32]
    assert found.x.dtype == np.uint8 and np.array_equal(found.x[1].reshape(3, 32, 32), expected)
    by_hand = (expected / 255 - np.reshape(CIFAR.mean, (3, 1, 1))) / np.reshape(CIFAR.std, (3, 1, 1))
    assert np.allclose(found.batch(slice(1, 2), np.float64).reshape(3, 32, 32), by_hand, atol=1e-12)
    assert found.batch(np.array([1, 0]), np.float32).dtype == np.float32


def test_floats_are_used_as_they_are() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(Examples(x, LABELS, ("a", "b")).batch(np.array([2]), np.float64), x[2:])


def test_arrays_can_be_read() -> None:
    images = np.zeros((12, 32, 32, 3), np.uint8)
    assert len(read(from_arrays(images, np.arange(12) % 2).train)) > 0


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.array([-1, 0, 1])])
def test_labels_out_of_range(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected labels from 0 to 1, found"):
        Examples(np.zeros((3, 2)), labels, ("a", "b"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(value: float) -> None:
    x = np.zeros((3, 2))
    x[1, 0] = value
    with pytest.raises(DataError, match="expected finite numbers, found NaN or infinity in row 1"):
        Examples(x, LABELS, ("a", "b"))


def test_an_empty_class_is_named() -> None:
    with pytest.raises(DataError, match="expected a training image of every class, found none of 'cat';"):
        Examples(np.zeros((3, 2)), LABELS, ("a", "b", "cat")).check_every_class()


def test_bytes_become_the_numbers_they_became() -> None:
    ramp = (np.arange(2 * 3072) % 256).astype(np.uint8).reshape(2, 3072)
    found = Examples(ramp, np.array([0, 1]), ("a", "b")).batch(slice(None), np.float64).reshape(2, 3, -1)
    same_numbers(__file__, "normalised", {"means": found.mean((0, 2)), "spreads": found.std((0, 2))}, 1e-5)


def test_larger_pictures_are_made_small_and_rows_are_flat() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 3), dtype=np.uint8)
    assert read(from_arrays(images, np.arange(12) % 2).train).x.shape[1] == 3 * 32 * 32
    with pytest.raises(DataError, match=r"rows of shape \[N, D\], found \[3, 2, 2\]"):
        Examples(np.zeros((3, 2, 2)), LABELS, ("a", "b"))
    Examples(np.zeros((3, 2)), LABELS, ("a", "b")).check_every_class()
