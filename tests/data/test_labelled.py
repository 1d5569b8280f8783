from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from coldframe.data.labelled import known_labels
from coldframe.errors import DataError, FileError
from coldframe.files import write_json

CLASSES = ("tench", "great white shark", "crane", "crane")


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_files_beside_codes(tmp_path: Path) -> None:
    picture(tmp_path / "n02_shark.png")
    picture(tmp_path / "n01_tench_again.png")
    write_json(tmp_path / "classes.json", {"n01": [0, "tench"], "n02": 1, "n99": [900, "absent"]})
    files, labels = known_labels(tmp_path, CLASSES)
    assert [path.name for path in files.paths] == ["n01_tench_again.png", "n02_shark.png"] and labels.tolist() == [0, 1]
    picture(tmp_path / "n99_absent.png")
    with pytest.raises(DataError, match=r"n99_absent\.png to belong to one of the model's 4 classes"):
        known_labels(tmp_path, CLASSES)


def test_a_folder_a_class(tmp_path: Path) -> None:
    picture(tmp_path / "Great_White_Shark" / "a.png")
    picture(tmp_path / "tench" / "b.png")
    assert known_labels(tmp_path, CLASSES)[1].tolist() == [1, 0]
    picture(tmp_path / "crane" / "c.png")
    with pytest.raises(DataError, match=r"c\.png"):  # a bird or a machine: two classes have this name
        known_labels(tmp_path, CLASSES)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found nothing at"):
        known_labels(tmp_path / "absent", CLASSES)
    with pytest.raises(DataError, match="found none"):
        known_labels(tmp_path, CLASSES)
    picture(tmp_path / "tench_1.png")
    with pytest.raises(DataError, match=r"or give classes\.json"):
        known_labels(tmp_path, CLASSES)
    write_json(tmp_path / "classes.json", ["tench"])
    with pytest.raises(FileError, match="map each word"):
        known_labels(tmp_path, CLASSES)
