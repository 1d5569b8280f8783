"""Arrays of images and labels in npz and npy files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from layouts import CLASSES, all_rows, array, check, split_of

from coldframe.data import load_dataset
from coldframe.errors import DataError, FileError


def refused(spec: str) -> str:
    with pytest.raises((DataError, FileError)) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def parts(images: str, labels: str) -> dict[str, np.ndarray]:
    found = {}
    for split in ("train", "val", "test"):
        rows = [row for row in all_rows() if split_of(row[1]) == split]
        found[images.format(split)] = array(rows)
        found[labels.format(split)] = np.array([[label] for label, _ in rows])
    return found


@pytest.mark.parametrize(("images", "labels"), [("{}_images", "{}_labels"), ("x_{}", "y_{}"), ("X_{}", "y_{}")])
def test_splits_by_name(tmp_path: Path, images: str, labels: str) -> None:
    np.savez(tmp_path / "a.npz", **parts(images, labels))
    data = load_dataset(f"npz:{tmp_path / 'a.npz'}")
    check(data, ("0", "1", "2"))
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    for name, values in parts(images, labels).items():
        np.save(tmp_path / f"{name}.npy", values)
    check(load_dataset(f"npy:{tmp_path}"), ("0", "1", "2"))


def test_pairs_types_and_names(tmp_path: Path) -> None:
    images, labels = array(all_rows()), np.array([label for label, _ in all_rows()])
    path = tmp_path / "a.npz"
    for x, y in ((images, labels), (images.astype(np.int64), labels.astype(float)), (images / 255.0, np.eye(3)[labels])):
        np.savez_compressed(path, X=x, y=y)
        check(load_dataset(str(path)), ("0", "1", "2"))
    np.savez(path, data=images, target=labels, classes=np.array(CLASSES))
    check(load_dataset(str(path)))
    np.savez(path, pixels=images, kind=np.array(CLASSES)[labels])
    assert "found pixels, kind; choose" in refused(str(path))
    check(load_dataset(f"npz:{path}?images=pixels&labels=kind"))
    np.save(tmp_path / "X.npy", images)
    np.save(tmp_path / "kinds.npy", np.array(CLASSES)[labels])
    check(load_dataset(f"npy:{tmp_path / 'X.npy'}?labels=kinds.npy"))


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (array(all_rows()), np.arange(17), "found 18 in X, 17 in y"),
        (array(all_rows()), np.ones((18, 3)), "one label per row"),
        (array(all_rows()), np.linspace(0, 1, 18), "numbers with fractions"),
        (np.full((18, 4, 4), 300), np.arange(18) % 3, "found 300 to 300"),
        (np.zeros((18, 784), np.uint8), np.arange(18) % 3, "expected images of shape"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path: Path, x: np.ndarray, y: np.ndarray, expected: str) -> None:
    np.savez(tmp_path / "a.npz", X=x, y=y)
    assert expected in refused(f"npz:{tmp_path / 'a.npz'}")


def test_damage_and_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=array(all_rows()), y=np.array([{}] * 18, dtype=object))
    assert "without pickled objects" in refused(f"npz:{path}")
    path.write_bytes(path.read_bytes()[:500])
    assert "cannot read" in refused(f"npz:{path}")
    np.save(tmp_path / "X.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "y.npy", np.arange(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "cannot read" in refused(f"npy:{tmp_path / 'X.npy'}?labels=y.npy")
    assert "found nothing there" in refused(f"npy:{tmp_path / 'gone.npy'}")
