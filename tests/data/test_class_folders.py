"""Metadata beside images, in the way of the Hub's imagefolder; choices behind the question mark; links."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import CLASSES, all_rows, check, flat, save, split_of
from PIL import Image

from coldframe.data import load_dataset
from coldframe.errors import DataError, InputError


def write(path: Path, rows: list[tuple[str, str]], column: str = "label") -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"file_name": [name for name, _ in rows], column: [label for _, label in rows]}), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"file_name": name, column: label}) for name, label in rows))
    else:
        path.write_text("\n".join([f"file_name,{column}", *(f"{name},{label}" for name, label in rows)]))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_metadata_at_the_root_and_in_splits(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"metadata.{ending}", [(name, CLASSES[label]) for name, label in flat(tmp_path)])
    check(load_dataset(f"folder:{tmp_path}"))
    root = tmp_path / "splits"
    for split in ("train", "val", "test"):
        rows = [row for row in all_rows() if split_of(row[1]) == split]
        named = [(save(root / split / f"{a}{b}.png", a, b).name, CLASSES[a]) for a, b in rows]
        write(root / split / f"metadata.{ending}", named)
    data = load_dataset(f"folder:{root}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    assert f"labels from test/metadata.{ending}" in data.origin


def test_metadata_that_says_something_else_than_folders(tmp_path: Path) -> None:
    for label, number in all_rows():
        save(tmp_path / CLASSES[label] / f"{number}.png", label, number)
    names = [f"{CLASSES[label]}/{number}.png" for label, number in all_rows()]
    write(tmp_path / "metadata.csv", [(name, f"a photo {n}") for n, name in enumerate(names)], "text")
    check(load_dataset(f"folder:{tmp_path}"))
    write(tmp_path / "metadata.csv", [(name, str(n % 2)) for n, name in enumerate(names)])
    with pytest.raises(DataError, match=r"\?label=folders"):
        load_dataset(f"folder:{tmp_path}")
    check(load_dataset(f"folder:{tmp_path}?label=folders"))
    assert load_dataset(f"folder:{tmp_path}?label=label").classes == ("0", "1")


def test_links_inside_are_followed_others_told_and_loops_end(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for label, number in all_rows():
        save(root / ("pool" if label == 2 else CLASSES[label]) / f"{number}.png", label, number)
    (root / "pool").rename(root / ".pool")
    (root / "hen").symlink_to(root / ".pool")
    (root / "cat" / "again").symlink_to(root)
    save(tmp_path / "secret.png", 0, 99)
    (root / "dog" / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "dog" / "photo.heic").write_bytes(b"")
    (root / "dog" / "noending").write_bytes(b"")
    data = load_dataset(f"folder:{root}")
    check(data)
    assert "4 files left out: " in data.origin
    for reason in ("1 links to outside the folder", "1 links to a folder above", "1 .heic", "1 without ending"):
        assert reason in data.origin
    every = load_dataset(f"folder:{root}?links=all")
    assert len(every.train) + len(every.val) + len(every.test) == 19


def test_choices_that_mean_nothing(tmp_path: Path) -> None:
    for choice in ("levle=2", "level=9", "links=some", "pattern=x_*", "label="):
        with pytest.raises(InputError):
            load_dataset(f"folder:{tmp_path}?{choice}")


def test_a_folder_that_is_only_measured_may_have_classes_beyond_train(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/dog", "test/hen"):
        for number in range(4):
            place = tmp_path / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, len(name), 0)).save(place)
    with pytest.raises(DataError, match=r"expected the classes of train in test of .*, found 'hen' beside them"):
        load_dataset(f"folder:{tmp_path}")
    assert load_dataset(f"folder:{tmp_path}", whole=True).classes == ("cat", "dog", "hen")
