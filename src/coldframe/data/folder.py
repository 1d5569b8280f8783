"""Pictures in files of their own, and which endings images have."""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from PIL.Image import Image

from coldframe.data.decode import MOST_BYTES, decode
from coldframe.files import explained, read_bytes

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".jp2", ".avif"]
)
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_digests: dict[str, bytes] = {}
"""Path -> modified in ns, size in bytes, digest of the content, so that a second look at a file does not read it."""
_KNOWN = struct.Struct("qq16s")


class Paths(Sequence[Path]):
    """Paths as the bytes of their names behind each other: a sixth of the memory of a tuple, for millions of them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        names = bytearray()
        ends = array("q", [0])
        for path in paths:
            names += os.fsencode(path)
            ends.append(len(names))
        self._names, self._ends = bytes(names), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Path: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Path, ...]: ...

    def __getitem__(self, index: int | slice) -> Path | tuple[Path, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        return Path(os.fsdecode(self._names[self._ends[at] : self._ends[at + 1]]))


class Files:
    """Pictures in files of their own.

    Args:
        paths: where they are.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = Paths(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image:
        path = self.paths[index]
        return decode(path, str(path))

    def check(self, index: int) -> None:
        """Raise :class:`DataError` when the file does not decode."""
        path = self.paths[index]
        decode(path, str(path), draft=True)

    def digest(self, index: int) -> str:
        return digest_file(self.paths[index])

    def name(self, index: int) -> str:
        return str(self.paths[index])


def digest_file(path: Path) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of a file's bytes; read again only when its size or time changed."""
    with explained(path, "read"):
        stat = path.stat()
        known = _digests.get(str(path))
        if known is not None:
            *as_it_was, held = _KNOWN.unpack(known)
            if as_it_was == [stat.st_mtime_ns, stat.st_size]:
                return bytes(held).hex()
        digest = hashlib.sha256(read_bytes(path, MOST_BYTES)).digest()[:16]
        _digests[str(path)] = _KNOWN.pack(stat.st_mtime_ns, stat.st_size, digest)
        return digest.hex()
