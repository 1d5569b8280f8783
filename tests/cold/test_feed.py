from __future__ import annotations

import pytest
import torch
from fakes import PREPROCESS, Pictures, split
from PIL import Image

from coldframe.cold.feed import batches
from coldframe.data.decode import load_pixels
from coldframe.errors import DataError


def test_batches_hold_the_wanted_images_once_in_order_with_their_digests() -> None:
    first, second = split(6), split(5, seed=1)
    again = first.subset([1, 2, 3])
    digests = [s.images.digest(i) for s in (first, second) for i in range(len(s))]
    wanted = set(digests) - {digests[0], digests[8]}
    found = list(batches([first, again, second], wanted, PREPROCESS, 4, 2))
    assert [len(names) for names, _ in found] == [4, 4, 1]
    assert [name for names, _ in found for name in names] == [name for name in digests if name in wanted]
    expected = torch.cat([torch.from_numpy(load_pixels(s.images, range(len(s)), PREPROCESS)) for s in (first, second)])
    kept = [row for row, name in enumerate(digests) if name in wanted]
    assert torch.equal(torch.cat([pixels for _, pixels in found]), expected[kept])


class Damaged(Pictures):
    def open(self, index: int) -> Image.Image:
        if index == 5:
            raise DataError("picture 5 is damaged")
        return super().open(index)


def test_a_damaged_image_ends_the_batches_with_its_error() -> None:
    items = split(12)
    images = Damaged(items.images.arrays)  # type: ignore[attr-defined]
    damaged = type(items)("train", images, items.labels, items.classes)
    feed = batches([damaged], {images.digest(index) for index in range(12)}, PREPROCESS, 4, 2)
    assert len(next(feed)[0]) == 4
    with pytest.raises(DataError, match="picture 5 is damaged"):
        next(feed)


def test_nothing_wanted_yields_nothing() -> None:
    assert list(batches([split(3)], set(), PREPROCESS, 4, 2)) == []
