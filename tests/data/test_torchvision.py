"""Data sets of torchvision by name: found on this machine, or one sentence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from readings import write

from coldframe.data import load_dataset
from coldframe.data.torchvision import NAMES, _images, _labels
from coldframe.errors import DataError, InputError


def test_every_name_is_torchvisions() -> None:
    from torchvision import datasets

    assert all(hasattr(datasets, name) for name in NAMES)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"SVHN", "StanfordCars"}))
def test_absent_data_is_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"{name} on this machine, found none in .*download=True"):
        load_dataset(f"torchvision:{name}")
    assert list(tmp_path.iterdir()) == []


def test_capitals_do_not_matter_and_wrong_names_are_answered_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    assert len({name.lower() for name in NAMES}) == len(NAMES)
    for name in ("cifar10", "Cifar10", "CIFAR10"):
        with pytest.raises(DataError, match="data set CIFAR10 on this machine"):
            load_dataset(f"torchvision:{name}")
    with pytest.raises(InputError, match="did you mean 'CIFAR100'"):
        load_dataset("torchvision:CIFAR1000")


def test_what_is_found_is_read_by_its_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool, bool]] = []

    def usps(root: str, train: bool, download: bool) -> SimpleNamespace:
        asked.append((root, train, download))
        if not download:
            raise RuntimeError("not\nhere")
        rows = 6 if train else 2
        pixels = np.arange(rows * 4, dtype=np.uint8).reshape(rows, 2, 2)
        return SimpleNamespace(data=pixels, targets=[row % 2 for row in range(rows)])

    monkeypatch.setattr("torchvision.datasets.USPS", usps)
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    data = load_dataset("torchvision:usps", download=True)
    cache = str(Path(asked[-1][0]))
    assert asked == [(str(tmp_path), True, False), (cache, True, False), (cache, True, True), (cache, False, True)]
    assert (len(data.train), len(data.val), len(data.test), data.classes) == (4, 2, 2, ("0", "1"))
    assert data.test.images.name(1) == "USPS test row 1" and data.test.images.open(1).getpixel((1, 1)) == (7, 7, 7)
    monkeypatch.setattr("torchvision.datasets.USPS", lambda *_, **__: usps("", True, False))
    with pytest.raises(DataError, match=r"cannot download the torchvision data set USPS to .*: not here$"):
        load_dataset("torchvision:usps", download=True)


def test_labels_and_files_are_found_under_the_names_that_torchvision_gives_them(tmp_path: Path) -> None:
    write(tmp_path / "a", "{0..1}.png")
    paths = [str(tmp_path / "a" / f"{number}.png") for number in range(2)]
    pairs = [(path, number + 5) for number, path in enumerate(paths)]
    sources = [SimpleNamespace(_samples=pairs), SimpleNamespace(samples=pairs, targets=[5, 6]),
               SimpleNamespace(_image_files=paths, _labels=[5, 6]), SimpleNamespace(_images=paths, labels=[5, 6])]  # fmt: skip
    for source in sources:
        assert list(_labels(source)) == [5, 6]
        assert [_images(source, "x").name(number) for number in range(2)] == paths


@pytest.mark.shared_data
def test_mnist(shared_data: Path) -> None:
    data = load_dataset("torchvision:MNIST", shots=5)
    assert (len(data.train), len(data.val), len(data.test)) == (50, 50, 10000)
    assert data.classes[:2] == ("zero", "one")
    assert np.asarray(data.train.images.open(0)).shape == (28, 28, 3)
    assert np.bincount(data.train.labels).tolist() == [5] * 10
