"""The verb ``datasets``: tables and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from coldframe.cli import main
from coldframe.cli.datasets import KINDS, datasets
from coldframe.errors import InputError
from coldframe.registry import DATASETS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (4 + number, 4)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_every_kind_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    datasets(json=True)
    listed = json.loads(capsys.readouterr().out)
    assert {kind["kind"] for kind in listed["kinds"]} == set(DATASETS) == set(KINDS)
    datasets()
    assert "folder:flowers" in capsys.readouterr().out


def test_a_data_set_is_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datasets(f"folder:{folder}", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == ["cat", "dog"]
    assert told["splits"][0] == {"split": "train", "n": 6, "least_per_class": 3, "most_per_class": 3}
    assert all(height == 4 for _, height in told["image_sizes"])
    datasets(f"folder:{folder}")
    printed = capsys.readouterr().out
    assert "2 classes" in printed
    assert "drawn with seed 0" in printed


def test_a_missing_folder_is_one_sentence_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["datasets", f"folder:{tmp_path / 'none'}"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("coldframe: expected a folder of images at")


def test_a_picture_of_each_class_is_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    datasets(f"folder:{folder}", examples=out, json=True)
    assert json.loads(capsys.readouterr().out)["examples"] == [str(out / "cat.png"), str(out / "dog.png")]
    with Image.open(out / "cat.png") as picture:
        assert picture.size[1] == 4
    datasets("mini:caltech7", examples=out / "more")
    assert f"a test picture of each class: {out / 'more' / 'airplane.png'}, " in capsys.readouterr().out
    with pytest.raises(InputError, match="expected a data set beside --examples"):
        datasets(examples=out)
