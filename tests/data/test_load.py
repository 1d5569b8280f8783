"""Specs: kinds, paths, joined label sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.data import load_dataset
from coldframe.data.load import split_spec
from coldframe.errors import InputError


def make(root: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for n in range(5):
            Image.new("RGB", (2, 2), (number, n, len(names))).save(root / name / f"{n}.png")
    return root


def test_joined_sets_follow_each_other_and_keep_equal_names_apart(tmp_path: Path) -> None:
    pets, farm = make(tmp_path / "pets", ["cat", "dog"]), make(tmp_path / "farm", ["cow", "dog", "hen"])
    data = load_dataset(f"folder:{pets}+folder:{farm}", shots=2)
    assert data.classes == ("cat", "dog (pets)", "cow", "dog (farm)", "hen")
    assert np.bincount(data.train.labels).tolist() == [2] * 5
    assert data.spec == f"folder:{pets}+folder:{farm}"
    for split in (data.train, data.val, data.test):
        for index, label in enumerate(split.labels):
            red, _, blue = split.images.open(index).getpixel((0, 0))
            assert label == (red if blue == 2 else red + 2)
            assert Path(split.images.name(index)).parent.name == data.classes[label].split(" ")[0]
    assert load_dataset(f"{pets}+{farm}", classes=list("vwxyz")).classes == tuple("vwxyz")
    assert load_dataset(f"{pets}+{pets}").classes == ("cat (1)", "dog (1)", "cat (2)", "dog (2)")


def test_a_plus_in_a_path_joins_nothing(tmp_path: Path) -> None:
    place = make(tmp_path / "a+b", ["x", "y"])
    assert split_spec(f"folder:{place}") == [f"folder:{place}"]
    assert split_spec(f"{place}+mini:mnist") == [str(place), "mini:mnist"]
    assert load_dataset(str(place)).classes == ("x", "y")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("floder:x", "did you mean 'folder'"),
        ("folder:", "found nothing"),
        ("no-such-place", "found 'no-such-place'"),
        ("", "found ''"),
        ("torchvision:CIFR10", "did you mean 'CIFAR10'"),
    ],
)
def test_specs_that_name_nothing(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(spec)
