"""Which images folds, groups and samples draw, which pictures are taken, and what is refused at the ends of a range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import same_text
from fakes import pictures as noise
from fakes import split
from PIL import Image
from readings import read, write

from coldframe.data.anything import pictures
from coldframe.data.base import Dataset, LoadOptions, Split, without_labels
from coldframe.data.crossing import crossed
from coldframe.data.decode import fit
from coldframe.data.labelled import known_labels
from coldframe.data.sampling import evenly
from coldframe.data.severities import NAMES, strengths
from coldframe.data.stems import leaking
from coldframe.errors import ColdframeError, DataError, InputError
from coldframe.types import Preprocess


def rows_of(held: Split) -> str:
    return " ".join(f"{held.images.name(n).removeprefix('picture ')}:{held.labels[n]}" for n in range(len(held)))


def test_folds_draw_the_same_images(tmp_path: Path) -> None:
    labels = np.array([0] * 9 + [1] * 6 + [2] * 2)
    groups = tuple(f"g{n // 2}" if n < 15 else f"h{n}" for n in range(17))
    lines: list[str] = []
    for named in (None, groups):
        whole = Split("train", noise(17), labels, ("a", "b", "c"), named)
        data = Dataset("d", whole, whole.subset([]), whole.subset([]), "here")
        for folds, shots, seed in ((2, None, 0), (2, 1, 0), (2, 6, 1)) if named is None else ((2, None, 3), (2, 2, 5)):
            for fold in crossed(data, folds, shots=shots, seed=seed):
                lines += [f"{held.name}: {rows_of(held)}" for held in fold.splits] + [fold.origin]
    twenty = Split("train", noise(40), np.arange(40) % 2, ("a", "b"))
    whole = Dataset("d", twenty, twenty.subset([]), twenty.subset([]))
    assert len(crossed(whole, 20)) == 20
    for folds in (1, 21):
        with pytest.raises(InputError, match="expected folds from 2 to 20"):
            crossed(whole, folds)
    with pytest.raises(DataError, match="expected 5 folds with images in d, found fewer"):
        crossed(Dataset("d", twenty.subset(range(4)), twenty.subset([]), twenty.subset([])), 5)
    same_text(__file__, "folds", "\n".join(lines) + "\n")


def test_groups_are_drawn_whole_and_the_same(tmp_path: Path) -> None:
    lines: list[str] = []
    sizes = {"a": (9, 3, 2, 2, 1, 1), "b": (4, 4, 4, 4), "c": (1, 1, 8)}
    names = [f"{kind}/{kind}{g}_{n}.png" for kind, held in sizes.items() for g, size in enumerate(held) for n in range(size)]
    for more in ([], ["b/a2_9.png", "c/a2_9.png"], ["c/c7_1.png"]):
        write(tmp_path / "x", " ".join(names + more))
        for options in ({}, {"seed": 1}, {"val": 0.5}, {"shots": 2}):
            lines += read(tmp_path / "x", "folder:ROOT?group={group}_*", **options)
    write(tmp_path / "x", " ".join(f"train/{name} test/{name}" for name in names[::2]))
    same_text(__file__, "groups", "\n".join(lines + read(tmp_path / "x", "folder:ROOT?group={group}_*")) + "\n")


def test_an_even_sample_draws_the_same_items() -> None:
    held = Split("test", noise(12), np.array([0] * 7 + [1] * 4 + [2]), ("a", "b", "c"))
    assert [rows_of(evenly(held, most, seed)) for most, seed in ((1, 0), (5, 0), (5, 1), (11, 0))] == [
        "9:1", "2:0 4:0 7:1 9:1 11:2", "4:0 5:0 7:1 8:1 11:2", "0:0 2:0 3:0 4:0 5:0 6:0 7:1 8:1 9:1 10:1 11:2",
    ]  # fmt: skip
    assert evenly(held, 12) is held and evenly(held, None) is held


def test_strengths_between_the_tables_are_as_they_were() -> None:
    lines = [f"{name} {size}: {' '.join(f'{value:.6g}' for value in strengths(name, 3, size))}\n"
             for name in NAMES for size in (8, 84, 85, 500)]  # fmt: skip
    same_text(__file__, "strengths", "".join(lines))


GIVEN: list[tuple[Any, Any]] = [
    (np.zeros((4, 5), np.uint8), (1, (5, 4))), (np.zeros((4, 5, 3), np.uint8), (1, (5, 4))),
    (np.zeros((2, 4, 5, 3), np.uint8), (2, (5, 4))), (np.zeros((3, 4, 5), np.uint8), "[3, 4, 5]"),
    (np.zeros((2, 4, 5, 1), np.uint8), "[2, 4, 5, 1]"), (np.zeros(3, np.uint8), "[3]"), (np.zeros((1, 2, 4, 5, 3)), "[1, 2, 4"),
    (torch.zeros(3, 4, 5), (1, (5, 4))), (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), (2, (5, 4))),
    (torch.zeros(2, 3, 4, 5, dtype=torch.bfloat16), (2, (5, 4))), (torch.zeros(4, 5, 3), "[4, 5, 3]"),
    (torch.zeros(4, 5), "[4, 5]"), (Image.new("L", (5, 4)), (1, (5, 4))), ([Image.new("L", (5, 4))] * 3, (3, (5, 4))),
    ([Image.new("L", (5, 4)), np.zeros((2, 4, 5, 3), np.uint8), torch.zeros(3, 4, 5)], (4, (5, 4))),
    (noise(3, side=4), (3, (8, 4))), (split(5), (5, (24, 20))), ([], "found an empty list"), (7, "found int"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), GIVEN, ids=range(len(GIVEN)))
def test_what_counts_as_pictures(given: Any, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(DataError) as caught:
            pictures(given)
        assert expected in str(caught.value)
        return
    found = pictures(given)
    assert (len(found), found.open(0).size) == expected
    assert len({found.name(n) for n in range(len(found))}) == len(found) and len(found.digest(len(found) - 1)) == 32


def test_names_of_pictures_tell_their_place() -> None:
    two = np.zeros((2, 4, 5, 3), np.uint8)
    found = pictures([Image.new("L", (5, 4)), two])
    assert [found.name(n) for n in range(3)] == ["picture 0", "picture 1 row 0", "picture 1 row 1"]
    assert pictures(two).name(1) == "picture row 1" and pictures(Image.new("L", (5, 4))).name(0) == "picture 0"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Split("train", noise(2), np.array([0]), ("a",)), "found 2 images and 1 labels"),
        (lambda: Split("train", noise(2), np.array([0, 1]), ("a",)), "expected labels from 0 to 0, found 0 to 1"),
        (lambda: Split("train", noise(2), np.array([-1, 0]), ("a",)), "found -1 to 0"),
        (lambda: Split("train", noise(2), np.array([0, 0]), ("a",), tags=np.ones((2, 2), bool)), "among 1, found [2, 2]"),
        (lambda: Split("train", noise(2), np.array([0, 0]), ("a",), tags=np.ones((1, 1), bool)), "among 1, found [1, 1]"),
        (lambda: LoadOptions(shots=0), "expected shots of 1 or more"),
        (lambda: LoadOptions(val=0.0), "expected val"),
        (lambda: LoadOptions(val=1.0), "expected val"),
        (lambda: LoadOptions(val=True), "expected val"),
        (lambda: LoadOptions(on_error="skp"), "did you mean 'skip'"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_split_and_no_option(make: Any, said: str) -> None:
    with pytest.raises(ColdframeError) as caught:
        make()
    assert said in str(caught.value)


def test_splits_say_what_they_are() -> None:
    held = Split("val", noise(2), np.array([0, 1]), ("a", "b"))
    assert repr(held) == "<val: 2 images of 2 classes>" and held.subset([1]).labels.tolist() == [1] and held.tags is None
    assert repr(Dataset("d", held, held, held.subset([]))) == "<d: 2 train, 2 val, 0 test, 2 classes>"
    assert without_labels(held.images, "x", "ab").labels.tolist() == [0, 0] and held.subset([0], "t").name == "t"
    options = LoadOptions(shots=1, val=0.001), LoadOptions(val=1), LoadOptions(val=0.999)
    assert [each.val for each in options] == [0.001, 1, 0.999]


def test_labels_of_a_folder_lie_among_the_classes(tmp_path: Path) -> None:
    for code, fits in (("2", True), ("3", False), ("-1", False), ('[2, "x"]', True), ("[]", False), ('["x"]', False)):
        write(tmp_path / "a", "w_1.png w_2.png x_1.png", {"classes.json": f'{{"w": {code}, "x": 0}}'})
        if fits:
            assert known_labels(tmp_path / "a", ("a", "b", "c"))[1].tolist() == [2, 2, 0]
            continue
        with pytest.raises(DataError):
            known_labels(tmp_path / "a", ("a", "b", "c"))
    write(tmp_path / "a", "w_1.png x_1.png", {"w_2.png": "damaged", "classes.json": '{"w": 1, "x": 0}'})
    files, labels = known_labels(tmp_path / "a", ("a", "b"), "skip")
    assert [path.name for path in files.paths] == ["w_1.png", "x_1.png"] and labels.tolist() == [1, 0]


def test_half_a_class_is_a_group_and_more_is_its_name() -> None:
    keys, where = ["p"] * 4 + ["q"] * 3 + ["r"], ["train", "test"] * 4
    assert leaking(keys, where, [0] * 8) == {"p": 2, "q": 1}
    assert leaking(["p"] * 5 + ["q"] * 3, where, [0] * 8) == {"q": 2} and leaking([""] * 8, where, [0] * 8) == {}


@pytest.mark.parametrize(
    ("wide", "high", "columns", "rows"), [(40, 9, (0, 15), (6, 9)), (9, 40, (6, 9), (0, 15)), (2, 99, (7, 8), (0, 15))]
)
def test_what_is_padded_stands_in_the_middle(wide: int, high: int, columns: tuple[int, int], rows: tuple[int, int]) -> None:
    found = fit(Image.new("RGB", (wide, high), (200, 200, 200)), Preprocess(15, 15, (0, 0, 0), (1, 1, 1), "bilinear", "pad"))[0]
    lit = np.argwhere(found == 200)
    assert (found > 0).sum() == len(lit) and lit.min(0).tolist() == [rows[0], columns[0]]
    assert (lit.max(0) + 1).tolist() == [rows[1], columns[1]]
