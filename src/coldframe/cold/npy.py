"""An array file that grows row by row and can be taken up again: NumPy's npy format with the final shape in its header."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.files import explained, replacing

_PIECE = 8 << 20
"""Bytes copied at a time."""


def header(rows: int, shape: Sequence[int], dtype: str) -> bytes:
    """Return what stands before the numbers of an npy file of an array [rows, *shape]."""
    held = io.BytesIO()
    description = np.lib.format.dtype_to_descr(np.dtype(dtype))
    about = {"descr": description, "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(held, about)
    return held.getvalue()


def row_bytes(shape: Sequence[int], dtype: str) -> int:
    """Return the bytes of one row [*shape]."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def whole(path: Path, rows: int, shape: Sequence[int], dtype: str) -> bool:
    """Return whether a file has the size that an array [rows, *shape] must have."""
    expected = len(header(rows, shape, dtype)) + rows * row_bytes(shape, dtype)
    return path.is_file() and path.stat().st_size == expected


class Growing:
    """An npy file of an array [rows, *shape] of which the first ``done`` rows are there.

    Nothing but the rows of one call is held in memory, and a full disk is an error, not a signal, as it would be in a
    memory map.

    Args:
        path: the file; what it holds after the first ``done`` rows is cut off.
        rows: the number it shall have.
        shape: of one row.
        dtype: of its numbers.
        done: rows to keep.
    """

    def __init__(self, path: Path, rows: int, shape: Sequence[int], dtype: str, done: int = 0) -> None:
        self.path, self.dtype = path, np.dtype(dtype)
        first = header(rows, shape, dtype)
        with explained(path, "write"):
            self._file = path.open("r+b" if done else "wb")
            if not done:
                self._file.write(first)
            self._file.truncate(len(first) + done * row_bytes(shape, dtype))
            self._file.seek(0, os.SEEK_END)

    def add(self, values: NDArray[Any]) -> None:
        """Append rows [b, *shape]."""
        with explained(self.path, "write"):
            self._file.write(np.ascontiguousarray(values, dtype=self.dtype).data)

    def sync(self) -> None:
        """Make sure that what was added is on the disk."""
        with explained(self.path, "write"):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, as it is."""
        with explained(self.path, "write"):
            self._file.close()


def concatenate(parts: Sequence[tuple[Path, int]], target: Path, shape: Sequence[int], dtype: str) -> None:
    """Write npy files one after the other as one array, in pieces.

    Args:
        parts: files and their numbers of rows.
        target: the file to write; whole or absent.
        shape: of one row.
        dtype: of the numbers.
    """
    with replacing(target) as temporary, temporary.open("wb") as written:
        written.write(header(sum(rows for _, rows in parts), shape, dtype))
        for path, rows in parts:
            with path.open("rb") as part:
                part.seek(len(header(rows, shape, dtype)))
                shutil.copyfileobj(part, written, _PIECE)
