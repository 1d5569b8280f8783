"""Pictures that are written to be read again: the same pixels, and known as a model's input while they have its size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from coldframe.data.decode import decode, fit
from coldframe.data.own_png import as_png, is_fitted
from coldframe.types import Preprocess

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def preprocess(size: int, resize: int) -> Preprocess:
    return Preprocess(size, resize, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("resize", [16, 20, 40])
def test_a_models_input_is_read_back_to_the_bit(resize: int) -> None:
    back = decode(as_png(NOISE, fitted=True), "noise")
    assert is_fitted(back) and np.array_equal(np.asarray(back), np.asarray(NOISE))
    assert np.array_equal(fit(back, preprocess(16, resize)).transpose(1, 2, 0), np.asarray(NOISE))
    assert np.array_equal(fit(back, preprocess(12, resize)).transpose(1, 2, 0), np.asarray(NOISE.resize((12, 12), 3)))


def test_a_picture_keeps_what_it_says_of_itself() -> None:
    plain, marked = decode(as_png(NOISE), "plain"), decode(as_png(NOISE, fitted=True), "marked")
    assert not is_fitted(plain) and is_fitted(decode(as_png(marked), "again")) and not is_fitted(decode(as_png(plain), "again"))
    assert not is_fitted(marked.crop((0, 0, 8, 8))) and not is_fitted(marked.resize((20, 20)))
    other = fit(plain, preprocess(12, 16)).transpose(1, 2, 0)
    assert np.array_equal(other, np.asarray(NOISE)[2:14, 2:14])
