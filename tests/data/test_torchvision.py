"""Data sets of torchvision by name: found on this machine, or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coldframe.data import load_dataset
from coldframe.data.torchvision import NAMES
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


@pytest.mark.shared_data
def test_mnist(shared_data: Path) -> None:
    data = load_dataset("torchvision:MNIST", shots=5)
    assert (len(data.train), len(data.val), len(data.test)) == (50, 50, 10000)
    assert data.classes[:2] == ("zero", "one")
    assert np.asarray(data.train.images.open(0)).shape == (28, 28, 3)
    assert np.bincount(data.train.labels).tolist() == [5] * 10
