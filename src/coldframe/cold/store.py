"""The store of activations: shards on disk that are found by what made them and by each image's own content.

Layout under ``root/cold``::

    <shelf>/shelf.json                   what every shard of this shelf was made with
    <shelf>/shard-<id>/values.bin        n activations, one after the other
    <shelf>/shard-<id>/manifest.json     their image digests, shape, dtype and number of bytes
    <shelf>/.unfinished-<id>/            a shard being written; never read

A shard gets its final name by one rename, after its files are flushed. Shards are never changed, so several processes
share a store without locks: at worst they compute the same activation twice.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe import files
from coldframe.types import digest_of

_DTYPES: dict[str, tuple[torch.dtype, type[np.generic]]] = {
    "uint8": (torch.uint8, np.uint8),
    "float32": (torch.float32, np.float32),
    "bfloat16": (torch.bfloat16, np.int16),
}
_FORMAT = 1
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Key:
    """Everything, besides the image, that an activation depends on.

    Args:
        model: name of the backbone, for people.
        weights: digest of architecture and weights; empty for the cut ``pixels``, which no weight touches.
        preprocess: digest of the preprocessing.
        cut: where the activation was taken.
        view: ``"plain"`` or ``"flip"``.
        dtype: how it is stored: ``uint8``, ``float32`` or ``bfloat16``.
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
        """The folder name: a digest of all fields but the model's name."""
        return digest_of([_FORMAT, self.weights, self.preprocess, self.cut, self.view, self.dtype, self.compute])


class Shard:
    """One finished shard, memory-mapped."""

    def __init__(self, folder: Path, manifest: dict[str, object]) -> None:
        self.folder = folder
        self.digests: list[str] = [str(digest) for digest in manifest["digests"]]  # type: ignore[attr-defined]
        self.shape: tuple[int, ...] = tuple(int(size) for size in manifest["shape"])  # type: ignore[attr-defined]
        self.dtype = str(manifest["dtype"])
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
        owner = f"{socket.gethostname()}-{os.getpid()}"
        self.folder = shelf / f".unfinished-{owner}-{self.identity}"
        self.digests: list[str] = []
        self.bytes = 0
        self.shape: tuple[int, ...] = ()
        with files.explained(shelf, "write"):
            self.folder.mkdir(parents=True)
            self._file = (self.folder / "values.bin").open("wb")

    def add(self, digests: Sequence[str], values: Tensor) -> None:
        """Append ``values`` [b, *shape] of the images with these digests."""
        stored = values.detach().to("cpu", _DTYPES[self.dtype][0]).contiguous()
        content = (stored.view(torch.int16) if self.dtype == "bfloat16" else stored).numpy()
        with files.explained(self.shelf, "write"):
            content.tofile(self._file)
        self.shape = tuple(stored.shape[1:])
        self.digests.extend(digests)
        self.bytes += content.nbytes

    def close(self) -> None:
        """Flush, write the manifest last, and give the shard its final name."""
        with files.explained(self.shelf, "write"):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        manifest = {"digests": self.digests, "shape": list(self.shape), "dtype": self.dtype, "bytes": self.bytes}
        files.write_text(self.folder / "manifest.json", json.dumps(manifest))
        with files.explained(self.shelf, "write"):
            self.folder.rename(self.shelf / f"shard-{self.identity}")

    def abandon(self) -> None:
        """Remove everything written so far."""
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
            files.write_json(shelf / "shelf.json", vars(key))
        sweep_unfinished(shelf)
        return ShardWriter(shelf, key.dtype)

    def shelves(self) -> Iterator[ShelfInfo]:
        """Describe every shelf."""
        for note in sorted(self.root.glob("*/shelf.json")):
            about = files.read_json(note)
            trusted = [shard for manifest in note.parent.glob("shard-*/manifest.json") if (shard := _trusted(manifest))]
            size = sum(path.stat().st_size for path in note.parent.rglob("*") if path.is_file())
            yield ShelfInfo(
                shelf=note.parent.name,
                model=about["model"],
                cut=about["cut"],
                view=about["view"],
                dtype=about["dtype"],
                images=len({digest for shard in trusted for digest in shard.digests}),
                bytes=size,
                unfinished=sum(1 for _ in note.parent.glob(".unfinished-*")),
            )

    def clear(self, shelves: Iterable[str] | None = None) -> int:
        """Remove the named shelves, or all of them; return the bytes freed."""
        known = {info.shelf: info.bytes for info in self.shelves()}
        freed = 0
        for shelf in list(known) if shelves is None else shelves:
            if shelf in known:
                files.remove_folder(self.root / shelf)
                freed += known[shelf]
        return freed


def _trusted(manifest: Path) -> Shard | None:
    try:
        shard = Shard(manifest.parent, json.loads(manifest.read_text()))
        width = np.dtype(_DTYPES[shard.dtype][1]).itemsize
        expected = len(shard.digests) * int(np.prod(shard.shape, dtype=np.int64)) * width
        return shard if (manifest.parent / "values.bin").stat().st_size == expected else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sweep_unfinished(shelf: Path) -> None:
    """Remove what killed passes left behind: of dead processes on this host at once, of others after a day."""
    host = socket.gethostname()
    for folder in shelf.glob(".unfinished-*"):
        owner, _, _ = folder.name.removeprefix(".unfinished-").rpartition("-")
        name, _, process = owner.rpartition("-")
        try:
            old = time.time() - folder.stat().st_mtime > _STALE_SECONDS
        except OSError:
            continue
        if old or (name == host and process.isdigit() and not _alive(int(process))):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
