"""The store of activations: shards on disk that are found by what made them and by each image's own content.

Layout under ``root/cold``::

    <shelf>/shelf.json                   what every shard of this shelf was made with
    <shelf>/shard-<id>/values.bin        n activations, one after the other
    <shelf>/shard-<id>/manifest.json     their image digests, shape, dtype and number of bytes
    <shelf>/.unfinished-<id>/            a shard being written; never read

A shard gets its final name by one rename, after its files are flushed. Shards are never changed, so several processes
share a store without waiting for each other: at worst they compute the same activation twice. Whoever writes a shard
holds a lock on its values; the kernel drops it with the process, which is how leftovers are told from work in progress.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe import files
from coldframe.errors import FileError
from coldframe.files import reading
from coldframe.files.formats import ShardFile, plain
from coldframe.types import digest_of
from coldframe.version import __version__

try:
    import fcntl
except ImportError:  # not on Windows: there leftovers are told by their age alone
    fcntl = None  # type: ignore[assignment]

_DTYPES: dict[str, tuple[torch.dtype, type[np.generic]]] = {
    "uint8": (torch.uint8, np.uint8),
    "float32": (torch.float32, np.float32),
    "float64": (torch.float64, np.float64),
    "bfloat16": (torch.bfloat16, np.int16),
}
_FORMAT = 1
_UNFINISHED = ".unfinished-"
_NEW = ".new-"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Key:
    """Everything, besides the image, that an activation depends on.

    Args:
        model: name of the backbone, for people.
        weights: digest of architecture, weights and stages; empty for the cut ``pixels``, which no weight touches.
        preprocess: digest of the preprocessing.
        cut: where the activation was taken.
        view: ``"plain"`` or ``"flip"``.
        dtype: how it is stored: ``uint8``, ``float32``, ``float64`` or ``bfloat16``.
        compute: the precision it was computed in.
    """

    model: str
    weights: str
    preprocess: str
    cut: str
    view: str
    dtype: str
    compute: str

    @property
    def shelf(self) -> str:
        """The folder name: a digest of all fields but the model's name, and of the version of the code that computes."""
        fields = [self.weights, self.preprocess, self.cut, self.view, self.dtype, self.compute]
        return digest_of([_FORMAT, __version__, *fields])


@dataclass(frozen=True)
class Shelf(Key):
    """``shelf.json``: what a shelf of the store holds, and which version of coldframe computed it."""

    version: str


class Shard:
    """One finished shard, memory-mapped."""

    def __init__(self, folder: Path, manifest: ShardFile) -> None:
        self.folder = folder
        self.digests, self.shape, self.dtype = manifest.digests, tuple(manifest.shape), manifest.dtype
        self._values: NDArray[np.generic] | None = None

    @property
    def values(self) -> NDArray[np.generic]:
        """The activations [n, *shape]; bfloat16 appears as int16 of the same bits."""
        if self._values is None:
            path = self.folder / "values.bin"
            with files.explained(path, "read"):
                self._values = np.memmap(path, _DTYPES[self.dtype][1], "r", shape=(len(self.digests), *self.shape))
        return self._values

    def rows(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the activations at ``rows`` [b, *shape]."""
        taken = torch.from_numpy(np.ascontiguousarray(self.values[rows]))
        return taken.view(torch.bfloat16) if self.dtype == "bfloat16" else taken


class ShardWriter:
    """Collects activations of one shelf and turns them into a shard when closed.

    Args:
        shelf: folder of the shelf.
        dtype: storage dtype by name.
    """

    def __init__(self, shelf: Path, dtype: str) -> None:
        self.shelf, self.dtype = shelf, dtype
        self.identity = uuid.uuid4().hex
        self.folder = shelf / f"{_UNFINISHED}{self.identity}"
        self.digests: list[str] = []
        self.bytes = 0
        self.shape: tuple[int, ...] = ()
        new = shelf / f"{_NEW}{self.identity}"
        with files.explained(shelf, "write"):
            new.mkdir(parents=True)
            self._file = (new / "values.bin").open("wb")
            _lock(self._file)
            # Only now may others see it: a folder that can be seen without a lock is a leftover.
            new.rename(self.folder)

    def add(self, digests: Sequence[str], values: Tensor) -> None:
        """Append ``values`` [b, *shape] of the images with these digests."""
        stored = values.detach().to("cpu", _DTYPES[self.dtype][0]).contiguous()
        content = (stored.view(torch.int16) if self.dtype == "bfloat16" else stored).numpy()
        with files.explained(self.shelf, "write"):
            self._file.write(content.data)
        self.shape = tuple(stored.shape[1:])
        self.digests.extend(digests)
        self.bytes += content.nbytes

    def close(self) -> None:
        """Flush, write the manifest last, and give the shard its final name."""
        manifest = ShardFile(self.digests, list(self.shape), self.dtype, self.bytes)
        with files.explained(self.shelf, "write"):
            self._file.flush()
            os.fsync(self._file.fileno())
            if not self.folder.exists():
                raise FileError(f"cannot write {self.shelf}: it was cleared while being filled; run the command again")
            files.write_text(self.folder / "manifest.json", json.dumps(plain(manifest)))
            self.folder.rename(self.shelf / f"shard-{self.identity}")
            self._file.close()

    def abandon(self) -> None:
        """Remove everything written so far."""
        with contextlib.suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class ShelfInfo:
    """One line of ``coldframe cache``."""

    shelf: str
    model: str
    cut: str
    view: str
    dtype: str
    images: int
    bytes: int
    unfinished: int


class Store:
    """Shelves of activations under one folder.

    Args:
        root: folder of the store; None for ``COLDFRAME_CACHE`` or the user's cache.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = (Path(root) if root is not None else files.cache_root()) / "cold"

    def shards(self, key: Key) -> list[Shard]:
        """Return the finished shards of a shelf. A shard whose size is not what its manifest says is passed over."""
        found = []
        for manifest in sorted((self.root / key.shelf).glob("shard-*/manifest.json")):
            shard = _trusted(manifest)
            if shard is not None:
                found.append(shard)
        return found

    def writer(self, key: Key) -> ShardWriter:
        """Start a shard on the shelf of ``key``."""
        shelf = self.root / key.shelf
        if not (shelf / "shelf.json").exists():
            files.write_json(shelf / "shelf.json", asdict(Shelf(**asdict(key), version=__version__)))
        self.sweep()
        return ShardWriter(shelf, key.dtype)

    def sweep(self) -> None:
        """Remove what killed passes left behind, on every shelf."""
        for pattern in (f"*/{_UNFINISHED}*", f"*/{_NEW}*", "*/.shelf.json.*"):
            for leftover in self.root.glob(pattern):
                if _is_left(leftover):
                    shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def shelves(self) -> Iterator[ShelfInfo]:
        """Describe every shelf; one whose description is lost or damaged appears under the model ``"?"``."""
        for folder in self._folders():
            try:
                about = reading.read(folder / "shelf.json", Shelf)
                words = {"model": about.model, "cut": about.cut, "view": about.view, "dtype": about.dtype}
            except FileError:
                words = dict.fromkeys(("model", "cut", "view", "dtype"), "?")
            trusted = [shard for manifest in folder.glob("shard-*/manifest.json") if (shard := _trusted(manifest))]
            yield ShelfInfo(
                shelf=folder.name,
                **words,
                images=len({digest for shard in trusted for digest in shard.digests}),
                bytes=_size(folder),
                unfinished=sum(1 for _ in folder.glob(f"{_UNFINISHED}*")),
            )

    def clear(self, shelves: Iterable[str] | None = None) -> int:
        """Remove the named shelves, or all of them; return the bytes freed."""
        known = {folder.name: folder for folder in self._folders()}
        freed = 0
        for name in list(known) if shelves is None else shelves:
            if name in known:
                size = _size(known[name])
                files.remove_folder(known[name])
                freed += size
        return freed

    def _folders(self) -> list[Path]:
        return sorted(folder for folder in self.root.glob("[0-9a-f]" * 32) if folder.is_dir())


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process finishes or removes a shard meanwhile
            size += path.stat().st_size if path.is_file() else 0
    return size


_read: dict[str, tuple[int, int, ShardFile]] = {}
"""Path of a manifest -> (modified in ns, size in bytes, what it holds), so that a second look does not read it."""


def _trusted(manifest: Path) -> Shard | None:
    try:
        stat = manifest.stat()
        known = _read.get(str(manifest))
        if known is None or known[:2] != (stat.st_mtime_ns, stat.st_size):
            known = _read[str(manifest)] = (stat.st_mtime_ns, stat.st_size, reading.read(manifest, ShardFile))
        shard = Shard(manifest.parent, known[2])
        if shard.dtype not in _DTYPES:
            return None
        expected = len(shard.digests) * math.prod(shard.shape) * np.dtype(_DTYPES[shard.dtype][1]).itemsize
        return shard if (manifest.parent / "values.bin").stat().st_size == expected else None
    except OSError:  # a FileError is one
        return None


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks: leftovers are told by their age
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_left(path: Path) -> bool:
    """Whether whoever was writing here is gone: nobody holds the lock on the values, or a day has passed."""
    try:
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            return True
        if fcntl is None or not path.name.startswith(_UNFINISHED):
            return False
        with (path / "values.bin").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
