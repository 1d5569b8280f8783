"""Folders of classes: layouts, errors, digests, unreadable files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.data import load_dataset
from coldframe.data.folder import Files, Paths, digest_file
from coldframe.errors import DataError


def fill(folder: Path, count: int, start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(folder / f"{number:03}.png")


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    for name in ("red_rose", "tulip"):
        fill(tmp_path / "flowers" / name, 10)
    return tmp_path / "flowers"


def paths(images: object, count: int) -> list[str]:
    return [Path(images.name(index)).as_posix() for index in range(count)]  # type: ignore[attr-defined]


def test_plain_class_folders_are_split_by_seed(flowers: Path) -> None:
    data = load_dataset(f"folder:{flowers}")
    assert data.classes == ("red rose", "tulip")
    assert (len(data.train), len(data.val), len(data.test)) == (12, 4, 4)
    assert data.spec == f"folder:{flowers}"
    assert data.train.images.open(0).mode == "RGB"
    again = load_dataset(str(flowers))
    assert paths(again.test.images, 4) == paths(data.test.images, 4)
    other = load_dataset(f"folder:{flowers}", seed=1)
    assert paths(other.test.images, 4) == paths(data.test.images, 4)
    assert paths(other.val.images, 4) != paths(data.val.images, 4)
    held = {*paths(other.test.images, 4), *paths(other.val.images, 4)}
    assert not held & set(paths(other.train.images, 12))


def test_the_draw_depends_on_names_alone(flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = paths(load_dataset(f"folder:{flowers}").test.images, 4)
    moved = flowers.rename(tmp_path / "elsewhere")
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *a, **k: ((p, d[::-1], f[::-1]) for p, d, f in walk(*a, **k)))
    after = paths(load_dataset(f"folder:{moved}").test.images, 4)
    assert [Path(path).parts[-2:] for path in after] == [Path(path).parts[-2:] for path in before]


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_official_folders_are_kept(tmp_path: Path, name: str) -> None:
    for split, count in (("train", 6), (name, 2), ("test", 3)):
        for label in ("a", "b"):
            fill(tmp_path / split / label, count)
    data = load_dataset(f"folder:{tmp_path}")
    assert (len(data.train), len(data.val), len(data.test)) == (12, 4, 6)
    assert all(f"/{name}/" in path for path in paths(data.val.images, 4))


def test_train_and_test_draw_val_from_train(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("test", 3)):
        for label in ("a", "b"):
            fill(tmp_path / split / label, count)
    data = load_dataset(f"folder:{tmp_path}", shots=3, val=0.3)
    assert (len(data.train), len(data.val), len(data.test)) == (6, 6, 6)
    assert all("/train/" in path for path in paths(data.val.images, 6))


def test_a_class_may_be_called_train_and_images_may_lie_deeper(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    fill(tmp_path / "bus" / "old", 5)
    fill(tmp_path / ".hidden", 5)
    (tmp_path / "bus" / "notes.txt").write_text("no image")
    assert load_dataset(f"folder:{tmp_path}").classes == ("bus", "train")


def test_what_is_wrong_with_a_folder_is_said(flowers: Path, tmp_path: Path) -> None:
    def error(spec: Path, **options: object) -> str:
        with pytest.raises(DataError) as caught:
            load_dataset(f"folder:{spec}", **options)  # type: ignore[arg-type]
        return str(caught.value)

    assert "did you mean 'flowers'" in error(tmp_path / "flower")
    assert "check the path" in error(tmp_path / "nothing" / "here")
    assert "found a file" in error(flowers / "tulip" / "000.png")
    (flowers / "daisy").mkdir()
    assert f"expected images in {flowers / 'daisy'}, found none" in error(flowers)
    fill(flowers / "daisy", 1)
    assert "class 'daisy' of" in error(flowers)
    assert "has 1 image, but 3 are needed" in error(flowers)
    assert "found 10 images and no such folders" in error(flowers / "tulip")
    (tmp_path / "bare").mkdir()
    assert "expected images in" in error(tmp_path / "bare")
    fill(tmp_path / "split" / "train" / "a", 3)
    fill(tmp_path / "split" / "train" / "b", 3)
    fill(tmp_path / "split" / "test" / "c", 3)
    assert "found 'c' beside them" in error(tmp_path / "split")


def test_a_damaged_file_is_raised_when_used_or_skipped_and_counted(flowers: Path) -> None:
    bad = flowers / "tulip" / "bad.jpg"
    bad.write_text("not an image")
    data = load_dataset(f"folder:{flowers}")
    splits = (data.train, data.val, data.test)
    with pytest.raises(DataError, match=r"bad\.jpg"):
        [split.images.open(index) for split in splits for index in range(len(split))]
    skipping = load_dataset(f"folder:{flowers}", on_error="skip")
    assert skipping.skipped == (str(bad),)
    assert "unreadable files left out: 1 (" in skipping.origin
    assert sum(len(split) for split in (skipping.train, skipping.val, skipping.test)) == 20


def test_digests_follow_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    first = digest_file(path)
    assert len(first) == 32
    assert digest_file(path) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert digest_file(path) != first


@pytest.mark.shared_data
def test_caltech101(shared_data: Path) -> None:
    data = load_dataset(f"folder:{shared_data / 'caltech101'}")
    assert (len(data.train) + len(data.val), len(data.test), len(data.classes)) == (2860, 1845, 101)
    assert np.bincount(data.val.labels).min() >= 5
    assert "car side" in data.classes
    assert min(data.test.images.open(0).size) == 224


def test_paths_are_kept_as_they_are() -> None:
    names = ["a.png", "folder/ü ö.png", os.fsdecode(b"odd-\xff.png"), "z" * 200]
    kept = Paths(map(Path, names))
    assert [str(path) for path in kept] == names and len(kept) == 4
    assert str(kept[-1]) == names[3] and kept[1:3] == (Path(names[1]), Path(names[2]))
    assert not Paths([]) and Files(map(Path, names)).name(2) == names[2]
    with pytest.raises(IndexError):
        kept[4]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "a.png"
    place.write_bytes(b"one")
    first = digest_file(place)
    assert digest_file(place) == first and len(first) == 32
    place.write_bytes(b"two!")
    assert digest_file(place) != first
    place.write_bytes(b"one")
    assert digest_file(place) == first == hashlib.sha256(b"one").hexdigest()[:32]
