"""Data sets of the Hub's library: folders of save_to_disk, by column types, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import CLASSES, all_rows, check, split_of, stored

from coldframe.data import load_dataset
from coldframe.errors import DataError

datasets = pytest.importorskip("datasets")


def table(rows: list[tuple[int, int]], **more: list[object]) -> object:
    features = {"photo": datasets.Image(), "kind": datasets.ClassLabel(names=list(CLASSES))}
    content = {"photo": [{"bytes": stored(*row), "path": None} for row in rows], "kind": [label for label, _ in rows]}
    extra = {name: datasets.Value("string") for name in more}
    return datasets.Dataset.from_dict(content | more, features=datasets.Features(features | extra))


def test_folders_of_save_to_disk(tmp_path: Path) -> None:
    table(all_rows()).save_to_disk(str(tmp_path / "one"))
    check(load_dataset(f"hf:{tmp_path / 'one'}"))
    words = {"train": "train", "validation": "val", "test": "test"}
    splits = {name: table([row for row in all_rows() if split_of(row[1]) == word]) for name, word in words.items()}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "three"))
    data = load_dataset(f"hf:{tmp_path / 'three'}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)


def test_columns_and_names_that_are_not_there(tmp_path: Path) -> None:
    table(all_rows(), patient=[f"p{number}" for _, number in all_rows()]).save_to_disk(str(tmp_path / "one"))
    data = load_dataset(f"hf:{tmp_path / 'one'}?group=patient")
    assert data.train.groups is not None
    with pytest.raises(DataError, match=r"expected labels in column 'kin'.*did you mean 'kind'"):
        load_dataset(f"hf:{tmp_path / 'one'}?label=kin")
    with pytest.raises(DataError, match="cannot load hf:") as caught:
        load_dataset(f"hf:{tmp_path / 'gone'}")
    assert "\n" not in str(caught.value)
