"""The bundled samples: counts, labels, sizes, and that the same data makes the same bytes."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import resources
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from coldframe.data import mini
from coldframe.data.base import LoadOptions
from coldframe.errors import DataError, InputError

MADE = Path(str(resources.files("coldframe.data.mini")))


@pytest.mark.parametrize(
    ("name", "train", "test", "classes", "size"),
    [("cifar10", 2000, 1000, 10, 32), ("caltech7", 540, 352, 7, 64), ("mnist", 2000, 1000, 10, 28)],
)
def test_counts_labels_and_pictures(name: str, train: int, test: int, classes: int, size: int) -> None:
    data = mini.load(name, LoadOptions())
    assert len(data.train) + len(data.val) == train
    assert len(data.test) == test
    assert len(data.classes) == classes
    assert set(data.test.labels.tolist()) == set(range(classes))
    assert data.spec == f"mini:{name}"
    for split in (data.train, data.val, data.test):
        for index in (0, len(split) - 1):
            picture = split.images.open(index)
            assert picture.mode == "RGB" and min(picture.size) == size


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_classes_are_balanced(name: str) -> None:
    data = mini.load(name, LoadOptions())
    assert set(np.bincount(data.train.labels).tolist()) == {160}
    assert set(np.bincount(data.test.labels).tolist()) == {100}


def test_caltech7_uses_words_of_cifar10() -> None:
    words, known = mini.load("caltech7", LoadOptions()), mini.load("cifar10", LoadOptions())
    assert set(words.classes) <= set(known.classes)
    assert np.bincount(words.test.labels).tolist() == [20, 20, 100, 69, 63, 20, 60]


def test_no_picture_is_in_two_splits() -> None:
    for name in mini.NAMES:
        data = mini.load(name, LoadOptions())
        digests = [{split.images.digest(i) for i in range(len(split))} for split in (data.train, data.val, data.test)]
        assert not digests[0] & digests[2] and not digests[1] & digests[2], name
        assert not digests[0] & digests[1], name


def test_the_digest_is_of_the_stored_bytes() -> None:
    data = mini.load("cifar10", LoadOptions())
    assert data.test.images.digest(0) == mini.load("cifar10", LoadOptions(seed=3)).test.images.digest(0)
    assert data.test.images.digest(0) != data.test.images.digest(1)
    assert "CIFAR-10 (JPEG)" in data.origin


def test_all_samples_together_are_small() -> None:
    assert sum((MADE / f"{name}.zip").stat().st_size for name in mini.NAMES) < 5_000_000


def test_an_unknown_sample_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'cifar10'"):
        mini.load("cifar-10", LoadOptions())


def test_a_damaged_picture_is_one_sentence() -> None:
    broken = mini.Packed(b"no picture", np.array([0, 10]), ("train/7",))
    with pytest.raises(DataError, match="train/7"):
        broken.open(0)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "make_mini.py"
    spec = importlib.util.spec_from_file_location("make_mini", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_the_same_data_makes_the_same_bytes(maker: ModuleType, shared_data: Path, name: str) -> None:
    made = maker.packed(*maker.MAKERS[name](shared_data))
    assert hashlib.sha256(made).digest() == hashlib.sha256((MADE / f"{name}.zip").read_bytes()).digest()


@pytest.mark.shared_data
def test_the_photographs_are_made_again_alike(maker: ModuleType, shared_data: Path) -> None:
    splits, classes, _ = maker.caltech7(shared_data)
    data = mini.load("caltech7", LoadOptions())
    assert tuple(classes) == data.classes
    assert [label for label, _, _ in splits["test"]] == data.test.labels.tolist()
    again = mini.Packed(splits["test"][5][2], np.array([0, len(splits["test"][5][2])]), ("",)).open(0)
    shipped = data.test.images.open(5)
    assert again.size == shipped.size
    assert np.abs(np.asarray(again, float) - np.asarray(shipped, float)).mean() < 2


@pytest.mark.shared_data
def test_no_training_image_of_pocket_is_in_the_sample(shared_data: Path) -> None:
    import pyarrow.parquet as pq

    from coldframe.recipes.pocket.corpus import held_out

    table = pq.read_table(shared_data / "cifar10" / "train-00000-of-00001.parquet")
    labels = table["label"].to_pylist()
    away = set(held_out(labels))
    assert len(away) == 5000
    data = mini.load("cifar10", LoadOptions())
    names = [split.images.name(i) for split in (data.train, data.val) for i in range(len(split))]
    assert all(name.startswith("train/") and int(name.removeprefix("train/")) in away for name in names)
