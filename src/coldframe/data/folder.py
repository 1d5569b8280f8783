"""``folder:PATH``: one folder a class, with or without train/, val/ and test/ above the classes.

A folder ``train`` that holds folders is a split; one that holds images is a class of that name. With train/ and test/,
validation images are drawn from train. With train/ and val/ alone, val/ is read as the test split. Without splits, a
fifth of each class becomes the test split (see :mod:`coldframe.data.splits`).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.decode import MOST_BYTES, decode
from coldframe.data.splits import assemble
from coldframe.errors import DataError, nearest
from coldframe.files import expanded, explained, read_bytes

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


def load(path: str, options: LoadOptions) -> Dataset:
    """Load the data set in a folder. See the module's text for the layouts.

    Raises:
        DataError: the folder is missing, has no classes, has a class without images, or too few images in a class.
    """
    root, spec = expanded(path), f"folder:{path}"
    if not root.is_dir():
        raise DataError(_missing(root))
    places = _split_folders(root)
    if "train" not in places:
        if not any(_images(folder) for folder in _folders(root)):
            _refuse_empty(root)
        return assemble(spec, _split(root, "train", None), None, None, options)
    classes = _class_names(places["train"])
    splits = {name: _split(folder, name, classes) for name, folder in places.items()}
    return assemble(spec, splits["train"], splits.get("val"), splits.get("test"), options)


def _missing(root: Path) -> str:
    if root.exists():
        return f"expected a folder of images at {root}, found a file; give the folder that holds one folder a class"
    parent = root.parent
    siblings = [place.name for place in _folders(parent)] if parent.is_dir() else []
    hint = nearest(root.name, siblings)
    hint = hint if "did you mean" in hint else "; check the path"
    return f"expected a folder of images at {root}, found nothing there{hint}"


def _folders(root: Path) -> list[Path]:
    """Return the visible folders, sorted by name: by code point, the same on every file system."""
    with explained(root, "read"):
        found = [place for place in root.iterdir() if place.is_dir() and not place.name.startswith((".", "__"))]
    return sorted(found, key=lambda place: place.name)


def _class_names(root: Path) -> tuple[str, ...]:
    return tuple(place.name for place in _folders(root))


def _split_folders(root: Path) -> dict[str, Path]:
    """Return split -> folder, for folders that have a split's name and folders inside."""
    found: dict[str, Path] = {}
    for place in _folders(root):
        for split, names in SPLIT_NAMES.items():
            if place.name.lower() in names and _folders(place):
                if split in found:
                    raise DataError(
                        f"expected one {split} folder in {root}, found {found[split].name}/ and {place.name}/; "
                        "move one of them away"
                    )
                found[split] = place
    return found


def _split(root: Path, name: str, classes: tuple[str, ...] | None) -> Split:
    """Return the images below the class folders of ``root``; ``classes`` are those of train, where that is another."""
    here = _class_names(root)
    classes = here if classes is None else classes
    alien = [found for found in here if found not in classes]
    if alien:
        raise DataError(
            f"expected the classes of train in {root}, found {alien[0]!r} beside them{nearest(alien[0], classes)}"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for found in here:
        images = _images(root / found)
        if not images:
            raise DataError(f"expected images in {root / found}, found none; add some or remove the folder")
        paths += images
        labels += [classes.index(found)] * len(images)
    return Split(name, Files(tuple(paths)), np.asarray(labels, dtype=np.int64), classes)


def _images(folder: Path) -> list[Path]:
    """Return the image files at any depth, sorted by their path below the folder."""
    found: list[str] = []
    with explained(folder, "read"):
        for parent, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith((".", "__"))]
            below = Path(parent).relative_to(folder)
            found += [(below / name).as_posix() for name in names if _is_image(name)]
    return [folder / name for name in sorted(found)]


def _raise(error: OSError) -> None:
    raise error


def _is_image(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _refuse_empty(root: Path) -> None:
    loose = sum(_is_image(place.name) for place in root.iterdir())
    if loose:
        raise DataError(
            f"expected one folder a class in {root}, found {loose} images and no such folders; "
            "move the images of each class into a folder with the name of the class"
        )
    raise DataError(
        f"expected images in {root}, found none in it or below it (looked for {', '.join(sorted(SUFFIXES))}); "
        "give the folder that holds one folder a class"
    )
