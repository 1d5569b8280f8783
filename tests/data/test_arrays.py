"""Arrays as pictures: layouts, floats, errors."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.data import from_arrays
from coldframe.data.arrays import Arrays
from coldframe.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "values", [PIXELS, PIXELS.transpose(0, 3, 1, 2), (PIXELS / 255).astype(np.float32), (PIXELS / 255).astype(np.float64)]
)
def test_layouts_and_floats_give_the_same_pictures(values: np.ndarray) -> None:
    assert np.array_equal(np.asarray(Arrays(values).open(3)), PIXELS[3])


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 1, 5, 4)])
def test_grey_is_repeated(shape: tuple[int, ...]) -> None:
    picture = np.asarray(Arrays(PIXELS[..., 0].reshape(shape)).open(2))
    assert np.array_equal(picture, np.repeat(PIXELS[2, :, :, :1], 3, axis=2))


def test_from_arrays_draws_or_keeps_splits() -> None:
    labels = np.arange(6) % 2
    drawn = from_arrays(PIXELS, labels)
    assert (len(drawn.train), len(drawn.val), len(drawn.test), drawn.classes) == (2, 2, 2, ("0", "1"))
    assert "without images" not in drawn.origin
    kept = from_arrays(PIXELS, labels, ["a_b", "c"], val=(PIXELS[:2], [0, 1]), test=(PIXELS[:3], [0, 1, 0]))
    assert (len(kept.train), len(kept.val), len(kept.test), kept.classes) == (6, 2, 3, ("a_b", "c"))


def test_digests_tell_rows_apart() -> None:
    images = Arrays(PIXELS)
    assert len({images.digest(index) for index in range(6)}) == 6
    assert images.digest(0) == Arrays(PIXELS.copy()).digest(0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="found \\[2, 5, 5, 2\\]"):
        Arrays(np.zeros((2, 5, 5, 2), np.uint8))
    with pytest.raises(DataError, match="found int64"):
        Arrays(np.zeros((2, 5, 5), np.int64))
    with pytest.raises(DataError, match="array row 0, found 0 to 255"):
        Arrays(np.float32([[[0, 255]]])).open(0)
    with pytest.raises(DataError, match="labels as N integers"):
        from_arrays(PIXELS, np.zeros(6))
    with pytest.raises(DataError, match="6 images and 5 labels"):
        from_arrays(PIXELS, [0, 1, 0, 1, 0])
