from __future__ import annotations

import threading
import time

import pytest
import torch
from fakes import PREPROCESS, Pictures, split
from PIL import Image

from coldframe.cold.feed import ahead, batches, patiently
from coldframe.data.base import Unreadable
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


def test_a_batch_whose_images_are_all_left_out_is_empty() -> None:
    items = split(6)
    images = Damaged(items.images.arrays)  # type: ignore[attr-defined]
    held = type(items)("train", images, items.labels, items.classes)
    bad: dict[str, str] = {}
    found = list(batches([held], {images.digest(5), images.digest(1)}, PREPROCESS, 1, 1, bad, "skip"))
    assert [names for names, _ in found] == [[images.digest(1)], []] and bad == {"picture 5": "picture 5 is damaged"}
    assert [tuple(pixels.shape) for _, pixels in found] == [(1, 3, 16, 16), (0, 3, 16, 16)]
    assert found[1][1].dtype == torch.uint8
    with pytest.raises(DataError, match="picture 5 is damaged"):
        list(batches([held], {images.digest(5)}, PREPROCESS, 1, 1, {}, "raise"))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_two_chunks_are_loaded_ahead_of_whoever_reads(count: int) -> None:
    begun: list[int] = []
    gate = threading.Event()
    gate.set()

    def load(number: int) -> int:
        gate.wait()
        begun.append(number)
        return number * number

    read = []
    for value in ahead(load, range(count)):
        read.append(value)
        time.sleep(0.01)
        assert len(begun) <= len(read) + 2
    assert read == [number * number for number in range(count)] == [number**2 for number in begun]


def test_what_takes_too_long_is_left_behind() -> None:
    before, gate = set(threading.enumerate()), threading.Event()
    with pytest.raises(Unreadable, match=r"gave up on x: expected it to be read within 0\.01 s") as caught:
        patiently(gate.wait, 0.01, "x")
    assert caught.value.reason == "took too long"
    assert [thread.daemon for thread in set(threading.enumerate()) - before] == [True], "it keeps no process alive"
    gate.set()
