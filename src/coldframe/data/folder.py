"""Pictures in files of their own, and which endings images have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

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
_digests: dict[str, tuple[int, int, str]] = {}
"""Path -> (modified in ns, size in bytes, digest of the content), so that a second look at a file does not read it."""


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures in files of their own."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image:
        return decode(self.paths[index], str(self.paths[index]))

    def check(self, index: int) -> None:
        """Raise :class:`DataError` when the file does not decode."""
        decode(self.paths[index], str(self.paths[index]), draft=True)

    def digest(self, index: int) -> str:
        return digest_file(self.paths[index])

    def name(self, index: int) -> str:
        return str(self.paths[index])


def digest_file(path: Path) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of a file's bytes; read again only when its size or time changed."""
    with explained(path, "read"):
        stat = path.stat()
        known = _digests.get(str(path))
        if known is not None and known[:2] == (stat.st_mtime_ns, stat.st_size):
            return known[2]
        digest = hashlib.sha256(read_bytes(path, MOST_BYTES)).hexdigest()[:32]
        _digests[str(path)] = (stat.st_mtime_ns, stat.st_size, digest)
        return digest
