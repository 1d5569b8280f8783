"""Properties of all corruptions: shape, type, range, the same draw for the same image, and worse when they should be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drawn import same_numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from coldframe.data import load_dataset
from coldframe.data.corruptions import LEVELS, NAMES, corrupt, corrupt_batch
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError
from coldframe.types import Preprocess

UNORDERED = {
    "glass-blur": "fewer rounds over a longer way",
    "elastic": "the first two move the whole picture, the later ones shake it",
    "frost": "the picture keeps more and the ice gains less",
}
"""Corruptions whose published severities do not rise in mean squared error, and why."""


def photographs(size: int, n: int = 12) -> np.ndarray:
    test = load_dataset("mini:caltech7").test
    preprocess = Preprocess(size, size, (0.0,) * 3, (1.0,) * 3)
    return load_pixels(test.images, list(range(0, 25 * n, 25)), preprocess, 1)


@settings(max_examples=60)
@given(st.sampled_from(NAMES), st.sampled_from(LEVELS), st.integers(8, 70), st.integers(0, 2**31))
def test_any_picture_stays_a_picture(name: str, severity: int, size: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (3, size, size), dtype=np.uint8)
    before = pixels.copy()
    changed = corrupt(pixels, name, severity, digest=str(seed))
    assert changed.shape == pixels.shape and changed.dtype == np.uint8
    assert np.array_equal(pixels, before)
    assert np.array_equal(changed, corrupt(pixels, name, severity, digest=str(seed)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_pictures_are_no_exception(name: str, level: int) -> None:
    pixels = np.full((3, 16, 16), level, np.uint8)
    assert corrupt(pixels, name, 5, digest="a").shape == (3, 16, 16)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_follows_seed_and_content(name: str) -> None:
    pixels = photographs(32, 1)[0]
    one = corrupt(pixels, name, 3, digest="a")
    same = [np.array_equal(one, corrupt(pixels, name, 3, digest=digest, seed=seed)) for digest, seed in (("b", 0), ("a", 1))]
    drawn = name not in ("defocus-blur", "zoom-blur", "brightness", "contrast", "pixelate", "jpeg")
    assert same == [not drawn, not drawn]


def test_a_batch_is_its_pictures_in_any_order() -> None:
    pixels, digests = photographs(32, 4), ["a", "b", "c", "d"]
    together = corrupt_batch(pixels, "snow", 2, digests=digests)
    backwards = corrupt_batch(pixels[::-1], "snow", 2, digests=digests[::-1], workers=1)
    assert np.array_equal(together, backwards[::-1])
    assert corrupt_batch(pixels[:0], "snow", 2, digests=[]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", NAMES)
def test_severities_rise_in_mean_squared_error(name: str, size: int) -> None:
    pixels = photographs(size, 12 if size == 32 else 3)
    digests = [str(row) for row in range(len(pixels))]
    errors = []
    for severity in LEVELS:
        changed = corrupt_batch(pixels, name, severity, digests=digests).astype(np.float64)
        errors.append(float(((changed - pixels) ** 2).mean()))
    assert errors[0] > 0
    if name not in UNORDERED:
        # CIFAR-10-C's third and fourth motion blur differ in a radius beyond the blur's own width.
        assert all(b > 0.93 * a for a, b in pairwise(errors)), errors
        assert errors[4] > 1.5 * errors[0], errors
    else:
        assert any(b < a for a, b in pairwise(errors)), "no longer an exception"


def test_strength_of_noise_is_the_published_one() -> None:
    grey = np.full((3, 64, 64), 128, np.uint8)
    noisy = corrupt(np.tile(grey, (1, 4, 4))[:, :224, :224], "gaussian-noise", 1, digest="a").astype(np.float64) / 255
    assert noisy.std() == pytest.approx(0.08, rel=0.02) and noisy.mean() == pytest.approx(128 / 255, abs=0.002)
    struck = corrupt(np.full((3, 224, 224), 128, np.uint8), "impulse-noise", 5, digest="a")
    assert (struck != 128).mean() == pytest.approx(0.27, abs=0.01) and set(np.unique(struck)) == {0, 128, 255}


def test_brightness_keeps_hue_and_contrast_keeps_the_mean() -> None:
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[0], pixels[1], pixels[2] = 100, 50, 25
    bright = corrupt(pixels, "brightness", 3, digest="a")
    assert bright[:, 0, 0].tolist() == [138, 69, 35]  # 100 + 0.15 * 255, the others in proportion
    half = pixels.copy()
    half[:, :, 16:] = 200
    flat = corrupt(half, "contrast", 4, digest="a").astype(np.float64)
    np.testing.assert_allclose(flat.mean((1, 2)), half.mean((1, 2)), atol=0.6)
    assert np.ptp(flat[0]) == pytest.approx(0.3 * np.ptp(half[0].astype(np.float64)), abs=1)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((3, 8, 9), np.uint8), r"found uint8 \[3, 8, 9\]"),
        (np.zeros((3, 8, 8), np.float32), "found float32"),
        (np.zeros((3, 4, 4), np.uint8), "at least 8 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        corrupt(pixels, "fog", 1, digest="a")
    with pytest.raises(InputError, match="one digest a picture"):
        corrupt_batch(np.zeros((2, 3, 8, 8), np.uint8), "fog", 1, digests=["a"])


def test_a_corrupted_picture_is_the_same_for_everyone() -> None:
    """Results of robustness are compared between machines and versions: a corruption that moves makes them worthless."""
    rows, columns = np.mgrid[:24, :24]
    picture = np.stack([rows * 10, columns * 10, (rows * columns) % 256]).astype(np.uint8)
    found = {f"{name} {level}": corrupt(picture, name, level, digest="a") for name in NAMES for level in (1, 3, 5)}
    same_numbers(__file__, "corruptions", found, 0.004)
