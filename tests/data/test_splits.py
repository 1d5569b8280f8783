"""Drawing splits: disjoint, stratified, nested over shots, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coldframe.data.arrays import Arrays
from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.splits import assemble, shuffled
from coldframe.errors import DataError, InputError


def numbered(labels: list[int], classes: tuple[str, ...] = ("a", "b"), start: int = 0) -> Split:
    """Images whose grey value is their number."""
    values = np.arange(start, start + len(labels), dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    return Split("train", Arrays(values), np.asarray(labels, dtype=np.int64), classes)


def members(split: Split) -> list[int]:
    return [split.images.open(index).getpixel((0, 0))[0] for index in range(len(split))]


@given(
    st.lists(st.integers(3, 30), min_size=2, max_size=4),
    st.integers(0, 5),
    st.floats(0.05, 0.95),
    st.sampled_from([None, 1, 2]),
)
def test_drawn_splits_share_nothing_and_hold_every_class(sizes: list[int], seed: int, val: float, shots: int | None) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size + 1)]
    classes = tuple("abcd"[: len(sizes)])
    data = assemble("x", numbered(labels, classes), None, None, LoadOptions(shots=shots, seed=seed, val=val))
    everything = members(data.train) + members(data.val) + members(data.test)
    assert len(set(everything)) == len(everything)
    assert shots is not None or len(everything) == len(labels)
    for split in (data.train, data.val, data.test):
        assert set(split.labels) == set(range(len(sizes)))
        assert [labels[number] for number in members(split)] == list(split.labels)
    if shots is not None:
        assert np.bincount(data.train.labels).tolist() == [shots] * len(sizes)
        assert np.bincount(data.val.labels).max() <= 4


def test_shares_are_a_fifth_and_a_fifth_of_the_rest() -> None:
    data = assemble("x", numbered([0] * 50 + [1] * 100), None, None, LoadOptions())
    counts = [np.bincount(split.labels).tolist() for split in (data.train, data.val, data.test)]
    assert counts == [[32, 64], [8, 16], [10, 20]]
    test, val = data.origin.split("; ")
    assert test == "test: 20% of each class drawn with seed 0, whatever the seed"
    assert val == "val: 20% of each class of train drawn with seed 0"


def test_a_number_of_validation_images_is_torchs_random_split() -> None:
    train, test = numbered([0, 1] * 40), numbered([0, 1] * 5, start=200)
    data = assemble("x", train, None, test, LoadOptions(seed=42, val=25))
    generator = torch.Generator().manual_seed(42)
    kept, held = torch.utils.data.random_split(range(80), [55, 25], generator=generator)  # type: ignore[arg-type]
    assert members(data.train) == sorted(kept.indices) and members(data.val) == sorted(held.indices)
    assert members(data.test) == list(range(200, 210))
    assert data.origin == "official train and test; val: 25 images of train drawn with seed 42"
    few = assemble("x", train, None, test, LoadOptions(shots=3, seed=42, val=25))
    assert members(few.val) == sorted(held.indices) and set(members(few.train)) < set(kept.indices) and len(few.train) == 6
    with pytest.raises(InputError, match="expected a test split in x"):
        assemble("x", train, None, None, LoadOptions(val=25))
    with pytest.raises(InputError, match="below the 80 images of train"):
        assemble("x", train, None, test, LoadOptions(val=80))
    with pytest.raises(InputError, match="or a number of images, found 0"):
        LoadOptions(val=0)


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert shuffled(0, "cat", 8) == [7, 1, 6, 0, 3, 2, 5, 4]
    assert shuffled(0, "cat", 8) != shuffled(1, "cat", 8)


def test_few_shots_are_nested_and_test_is_untouched() -> None:
    train, test = numbered([0] * 60 + [1] * 60), numbered([0, 1, 1], start=200)

    def load(shots: int) -> Dataset:
        return assemble("x", train, None, test, LoadOptions(shots=shots))

    one, ten, forty = load(1), load(10), load(40)
    assert set(members(one.train)) < set(members(ten.train)) < set(members(forty.train))
    assert [np.bincount(data.val.labels).tolist() for data in (one, ten, forty)] == [[4, 4], [10, 10], [12, 12]]
    assert members(one.test) == members(forty.test) == [200, 201, 202]


def test_official_splits_are_kept_and_val_alone_is_the_test() -> None:
    train, val, test = numbered([0, 1] * 5), numbered([0, 1], start=100), numbered([1, 0], start=200)
    kept = assemble("x", train, val, test, LoadOptions())
    assert (members(kept.train), members(kept.val), members(kept.test)) == (list(range(10)), [100, 101], [200, 201])
    assert kept.origin == "official train and val and test"
    held = assemble("x", train, val, None, LoadOptions())
    assert members(held.test) == [100, 101]
    assert set(members(held.val)) < set(range(10))
    assert held.test.name == "test"


def test_too_few_images_are_named_with_their_number() -> None:
    with pytest.raises(DataError, match="class 'b' of x has 1 image, but 3 are needed, one each for train and val and test"):
        assemble("x", numbered([0] * 5 + [1]), None, None, LoadOptions())
    with pytest.raises(DataError, match="class 'b' of x has 1 image, but 2 are needed, one each for train and val;"):
        assemble("x", numbered([0] * 5 + [1]), None, numbered([0, 1]), LoadOptions())


def test_a_small_class_gives_what_it_has_and_is_named() -> None:
    data = assemble("x", numbered([0] * 5 + [1] * 40), None, None, LoadOptions(shots=20))
    assert [np.bincount(split.labels).tolist() for split in (data.train, data.val, data.test)] == [[3, 20], [1, 6], [1, 8]]
    assert "train: 20 images per class (a has 3) drawn with seed 0" in data.origin
    official = assemble("x", numbered([0] * 3 + [1] * 40), None, numbered([0, 1], start=200), LoadOptions(shots=8))
    assert np.bincount(official.train.labels).tolist() == [2, 8]
    many = assemble("x", numbered([n // 3 for n in range(21)], tuple("abcdefg")), None, None, LoadOptions(shots=2))
    assert "e has 1 and 2 more classes have fewer" in many.origin


@pytest.mark.parametrize(
    ("shots", "counts"), [(None, (9, 2, 3)), (20, (9, 2, 3)), (11, (9, 2, 3)), (10, (10, 1, 3)), (4, (4, 2, 3))]
)
def test_shots_take_nothing_from_the_test_split(shots: int | None, counts: tuple[int, int, int]) -> None:
    """Of 14 images a class, 3 are test images whatever the shots; shots come before a second validation image."""
    every = numbered([n // 14 for n in range(28)])
    data = assemble("x", every, None, None, LoadOptions(shots=shots))
    assert tuple(len(split) // 2 for split in (data.train, data.val, data.test)) == counts
    assert members(data.test) == members(assemble("x", every, None, None, LoadOptions()).test)


def test_classes_without_images_go_and_untrained_ones_are_refused() -> None:
    data = assemble("x", numbered([0, 2] * 5, ("a", "b", "c")), None, None, LoadOptions())
    assert data.classes == ("a", "c")
    assert set(data.train.labels) == {0, 1}
    assert "1 class names without images left out" in data.origin
    with pytest.raises(DataError, match="class 'b' of x has test images but no training images"):
        assemble("x", numbered([0, 2] * 5, ("a", "b", "c")), None, numbered([1], ("a", "b", "c")), LoadOptions())
    with pytest.raises(DataError, match="two classes or more"):
        assemble("x", numbered([0] * 5, ("a",)), None, None, LoadOptions())


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"shots": 0}, {"val": 0.0}, {"val": 1.0}, {"on_error": "skipp"}):
        with pytest.raises(InputError):
            LoadOptions(**wrong)  # type: ignore[arg-type]
