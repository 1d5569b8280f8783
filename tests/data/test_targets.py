"""What labels are: every layout of several labels is read as its generator meant, ranks are ordered, the rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import CLASSES
from tagged import LAYOUTS, TAGS, in_bars, in_columns, in_several_folders, number_of, save, stored, table

from coldframe.data import load_dataset
from coldframe.data.base import Dataset
from coldframe.data.targets import parted, rarest, taken
from coldframe.errors import DataError, InputError


def check(data: Dataset) -> None:
    assert data.classes == CLASSES and "several labels per image" in data.origin
    seen = set()
    for split in data.splits:
        assert split.tags is not None and split.tags.any(0).all()
        for row in range(len(split)):
            number = number_of(split.images.open(row))
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[number])
            seen.add(number)
    assert seen == set(range(len(TAGS)))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_is_read_as_it_was_meant(layout: Callable[[Path], str], tmp_path: Path) -> None:
    spec = layout(tmp_path)
    data = load_dataset(spec, several=True)
    check(data)
    assert data.spec == spec
    with pytest.raises(DataError, match=r"expected one label per image in .*, found [0-3] of"):
        load_dataset(spec)


def test_a_picture_in_several_folders(tmp_path: Path) -> None:
    data = load_dataset(in_several_folders(tmp_path), several=True)
    for split in data.splits:
        for row in range(len(split)):
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[number_of(split.images.open(row))])
    assert sum(map(len, data.splits)) == sum(bool(row) for row in TAGS)
    save(tmp_path / "dog" / "i0.png", 1)
    with pytest.raises(DataError, match=r"expected one picture of the name i0\.png .* which differ; rename one"):
        load_dataset(f"folder:{tmp_path}?targets=several", several=True)


def test_arrow_lists_of_class_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=list(CLASSES))
    lists = datasets.List(label) if hasattr(datasets, "List") else datasets.Sequence(label)
    features = datasets.Features({"image": datasets.Image(), "tags": lists})
    held = {"image": [{"bytes": stored(n), "path": None} for n in range(len(TAGS))], "tags": [list(row) for row in TAGS]}
    datasets.Dataset.from_dict(held, features=features).save_to_disk(str(tmp_path / "saved"))
    data = load_dataset(f"hf:{tmp_path / 'saved'}", several=True)
    for split in data.splits:
        for row in range(len(split)):
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[number_of(split.images.open(row))])


def test_drawn_splits_hold_every_label_and_shots_count_the_rarest(tmp_path: Path) -> None:
    data = load_dataset(in_bars(tmp_path), several=True, shots=2)
    assert "train: 2 images per class" in data.origin and "by the rarest label" in data.origin
    assert np.bincount(rarest(data.train.tags)).max() == 2
    whole = load_dataset(in_bars(tmp_path), several=True, whole=True)
    assert len(whole.test) == len(TAGS) and whole.test.tags is not None
    with pytest.raises(DataError, match="expected one label per image"):
        load_dataset(f"{in_bars(tmp_path)}+mini:cifar10", several=True)


def test_one_label_stays_one_label(tmp_path: Path) -> None:
    single = [[[CLASSES[n % 3]]] for n in range(len(TAGS))]
    for cells in ([cell[0] for cell in single], [[str(cell[0])] for cell in single]):
        data = load_dataset(f"csv:{table(tmp_path / 'a.csv', cells)}")
        assert data.train.tags is None and data.classes == CLASSES
    assert parted(["dog; wild", "cat, tame"], "auto", None) is None
    with pytest.raises(DataError, match=r"expected one 1 among the columns of classes in .*, line 5, found 2"):
        load_dataset(f"{in_columns(tmp_path)}?targets=classes")


def test_ranks_are_ordered_by_value_and_told(tmp_path: Path) -> None:
    cells = [[["10", "2", "0.5"][n % 3]] for n in range(len(TAGS))]
    path = table(tmp_path / "a.csv", cells, ("file", "grade"))
    data = load_dataset(f"csv:{path}?label=grade&targets=ranks")
    assert data.classes == ("0.5", "2", "10") and data.train.ordered and data.test.ordered
    assert "3 ranks, 0.5 to 10" in data.origin
    for split in data.splits:
        for row, label in enumerate(split.labels):
            assert cells[number_of(split.images.open(row))] == [data.classes[label]]
    whole = table(tmp_path / "b.csv", [[n % 3] for n in range(len(TAGS))], ("file", "grade"))
    plain = load_dataset(f"csv:{whole}")
    assert "classes are numbers: ?targets=ranks" in plain.origin and not plain.train.ordered
    with pytest.raises(DataError, match="expected numbers as classes"):
        load_dataset(f"csv:{table(tmp_path / 'c.csv', [[CLASSES[n % 3]] for n in range(len(TAGS))])}?targets=ranks")


def test_an_unknown_choice_is_refused() -> None:
    assert taken("a.csv?targets=ranks&label=x") == ("a.csv?label=x", "ranks")
    with pytest.raises(InputError, match="did you mean 'several'"):
        taken("a.csv?targets=severals")
