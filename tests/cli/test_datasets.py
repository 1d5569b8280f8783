"""The verb ``datasets``: tables and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import Pictures
from PIL import Image

from coldframe.cli import main
from coldframe.cli.datasets import KINDS, datasets, describe, here
from coldframe.cli.datasets import _print_described as printed_described
from coldframe.data.base import Dataset, Split
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


def test_kinds_of_folders_are_told_by_what_lies_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    for place in ("a/data", "b", "c/train", "MNIST/raw", "KMNIST", "dtd", "other"):
        (root / place).mkdir(parents=True)
    for file in ("a/data/x.parquet", "b/x.parquet", "file"):
        (root / file).write_bytes(b"")
    monkeypatch.setenv("COLDFRAME_DATA", str(root))
    found = [spec for spec in here() if not spec.startswith("mini:")]
    parquet = [f"parquet:{root / name}" for name in "ab"]
    assert found == ["torchvision:MNIST", *parquet, f"folder:{root / 'c'}", "torchvision:DTD"]
    assert "mini:cifar10" in here() and len(here()) > len(found)


def test_counts_and_sizes_are_those_of_the_images(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [(8 + row % 17, 6) for row in range(33)]
    held = Pictures([np.zeros((height, width, 3), np.uint8) for width, height in sizes])
    names = tuple(f"c{k}" for k in range(13))
    train = Split("train", held, np.arange(33) % 13, names)
    data = Dataset("made", train, train.subset(np.arange(0)), train.subset(np.arange(26)))
    told = describe(data)
    rows = np.linspace(0, 32, 16).astype(int)
    assert told["image_sizes"] == [list(size) for size in sorted({sizes[row] for row in rows})]
    assert told["splits"] == [
        {"split": "train", "n": 33, "least_per_class": 2, "most_per_class": 3},
        {"split": "train", "n": 0, "least_per_class": 0, "most_per_class": 0},
        {"split": "train", "n": 26, "least_per_class": 2, "most_per_class": 2},
    ]
    printed_described(told | {"image_sizes": [[8, 6], [5, 9], [4, 30]]})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "made · 13 classes" and lines[2].split() == ["train", "33", "2", "3"]
    assert lines[5] == f"classes: {', '.join(names[:12])} and 1 more"
    assert lines[6:] == ["image sizes in a sample: 5 x 9 to 4 x 30", "origin: official"]
    printed_described(told | {"image_sizes": [[8, 6]], "classes": list(names[:12]), "origin": "here"})
    assert capsys.readouterr().out.splitlines()[5:] == [
        f"classes: {', '.join(names[:12])}", "image sizes in a sample: 8 x 6", "origin: here",
    ]  # fmt: skip
