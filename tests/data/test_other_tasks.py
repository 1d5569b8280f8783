"""Detection, segmentation and slides are refused by name; folders of classes that are called alike are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import save

from coldframe.data import load_dataset
from coldframe.errors import DataError


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(f"folder:{folder}")
    return str(error.value)


@pytest.mark.parametrize("ending", ["txt", "xml"])
@pytest.mark.parametrize("within", ["", "train"])
def test_boxes_beside_pictures(tmp_path: Path, ending: str, within: str) -> None:
    for number in range(4):
        save(tmp_path / within / "images" / f"{number}.png", 0, number)
        (tmp_path / within / "labels").mkdir(exist_ok=True)
        (tmp_path / within / "labels" / f"{number}.{ending}").write_text("0 0.5 0.5 0.1 0.1")
    assert "detection is not read" in refused(tmp_path)


def test_yolo_with_splits_below(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(3):
            save(tmp_path / "images" / split / f"{number}.png", 0, number)
            (tmp_path / "labels" / split).mkdir(parents=True, exist_ok=True)
            (tmp_path / "labels" / split / f"{number}.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert "detection is not read" in refused(tmp_path)


def test_masks_beside_pictures(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / "images" / f"{number}.png", 0, number)
        save(tmp_path / "masks" / f"{number}.png", 1, number)
    assert "segmentation is not read" in (said := refused(tmp_path)) and "images and masks/" in said


def test_slides(tmp_path: Path) -> None:
    for name in ("a/1.svs", "a/2.svs", "b/3.ndpi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"II*")
    assert "3 whole-slide images" in refused(tmp_path)
    for label, name in enumerate("ab"):
        for number in range(4):
            save(tmp_path / name / f"{number}.png", label, number)
    assert "whole-slide images: cut them into tiles" in load_dataset(f"folder:{tmp_path}").origin


def test_classes_that_are_called_like_masks_are_read(tmp_path: Path) -> None:
    for label, name in enumerate(("photos", "labels")):
        for number in range(5):
            save(tmp_path / name / f"{name}{number}.png", label, number)
    assert load_dataset(f"folder:{tmp_path}").classes == ("labels", "photos")
