"""Bundled samples of real data: ``mini:cifar10``, ``mini:caltech7`` and ``mini:mnist``, under 5 MB together.

Each sample is one zip file of two members: ``index.json`` (classes, origin, and for each split the labels, names and
byte lengths) and ``images.bin`` (the compressed images end to end). ``tools/make_mini.py`` made them.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.decode import picture
from coldframe.data.splits import assemble
from coldframe.errors import DataError, InputError, nearest
from coldframe.files.formats import Mini, MiniSplit
from coldframe.files.reading import loads

NAMES = ("cifar10", "caltech7", "mnist")
"""The samples there are."""
SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Packed:
    """N compressed images in one piece of memory; reading is safe from several threads.

    Args:
        blob: the images end to end.
        starts: where each image starts, then the end of the last one, in bytes [N+1].
        names: what each image was called in the data set it was drawn from.
    """

    blob: bytes
    starts: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def stored(self, index: int) -> bytes:
        """Return the compressed bytes of image ``index``."""
        return self.blob[int(self.starts[index]) : int(self.starts[index + 1])]

    def open(self, index: int) -> Image.Image:
        try:
            with picture(io.BytesIO(self.stored(index))) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"cannot decode {self.name(index)} of a bundled sample ({error}); install again") from error

    def digest(self, index: int) -> str:
        return hashlib.sha256(self.stored(index)).hexdigest()[:32]

    def name(self, index: int) -> str:
        return self.names[index]


def load(rest: str, options: LoadOptions) -> Dataset:
    """Return a bundled sample.

    Args:
        rest: ``"cifar10"`` (2,000 train, 1,000 test; none of its images was seen when ``pocket`` was trained),
            ``"caltech7"`` (540 train, 352 test: seven of CIFAR-10's words on photographs of Caltech-101) or ``"mnist"``
            (2,000 train, 1,000 test).
        options: the official test images stay the test split; the validation split is drawn from train.

    Raises:
        InputError: no sample has this name.
        DataError: the packaged file is damaged.
    """
    if rest not in NAMES:
        raise InputError(f"unknown bundled sample {rest!r}{nearest(rest, NAMES)}")
    train, test, origin = _read(rest)
    data = assemble(f"mini:{rest}", train, None, test, options)
    return replace(data, origin="; ".join(filter(None, (origin, data.origin))))


@lru_cache(maxsize=len(NAMES))
def _read(name: str) -> tuple[Split, Split, str]:
    """Return the two splits of a sample and where it is from; the file is read once."""
    path = resources.files("coldframe.data.mini") / f"{name}.zip"
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            index = loads(archive.read("index.json"), Mini, f"{name}.zip, index.json", remedy="install coldframe again")
            blob = archive.read("images.bin")
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"cannot read the bundled sample {name} ({error}); install coldframe again") from error
    splits, start = [], 0
    for split in SPLITS:
        part: MiniSplit = getattr(index, split)
        starts = np.cumsum([start, *part.bytes], dtype=np.int64)
        start = int(starts[-1])
        images = Packed(blob, starts, tuple(part.names))
        splits.append(Split(split, images, np.asarray(part.labels, dtype=np.int64), tuple(index.classes)))
    if start != len(blob):
        raise DataError(f"cannot read the bundled sample {name}: expected {start} bytes of images, found {len(blob)}")
    return splits[0], splits[1], index.origin
