"""Array files that grow row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coldframe.cold.npy import Growing, concatenate, whole
from coldframe.errors import FileError


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_numpy_reads_what_has_grown(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 255, (7, 3, 2)).astype(dtype)
    path = tmp_path / "a.npy"
    file = Growing(path, 7, (3, 2), dtype)
    file.add(values[:4])
    file.sync()
    assert not whole(path, 7, (3, 2), dtype)
    file.add(values[4:].copy(order="F"))
    file.close()
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), values)
    assert np.load(path).dtype == values.dtype and whole(path, 7, (3, 2), dtype)


def test_what_was_not_safe_is_cut_off(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    path = tmp_path / "a.npy"
    file = Growing(path, 6, (2,), "float32")
    file.add(values[:3] + 100)
    file.close()
    with path.open("ab") as torn:
        torn.write(b"half a row")
    for done, expected in ((2, [[100, 101], [102, 103]]), (0, [])):
        file = Growing(path, 6, (2,), "float32", done=done)
        file.add(values[done:])
        file.close()
        np.testing.assert_array_equal(np.load(path), np.concatenate([np.reshape(expected, (-1, 2)), values[done:]]))


def test_parts_become_one(tmp_path: Path) -> None:
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    parts = []
    for number, rows in enumerate((slice(0, 1), slice(1, 8), slice(8, 10))):
        np.save(tmp_path / f"{number}.npy", values[rows])
        parts.append((tmp_path / f"{number}.npy", len(values[rows])))
    concatenate(parts, tmp_path / "all.npy", (2,), "float32")
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), values)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    file = Growing(tmp_path / "a.npy", 2, (2,), "float32")
    file.close()
    with Path("/dev/full").open("wb", buffering=0) as file._file, pytest.raises(FileError, match="the disk is full"):
        file.add(np.zeros((2, 2), np.float32))
