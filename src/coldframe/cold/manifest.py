"""What an extraction leaves: a folder of npy files with a list of the images and a manifest; how shards become one.

Layout of a finished folder::

    features.npy, block3.npy, ...   [N, *shape], one for each cut
    labels.npy                      [N] int64, where the images have labels; [N, K] bool, where they have several each
    images.csv                      row, image, split, label, class, digest of its bytes; several labels with bars between
    manifest.json                   model, weights, preprocessing, cuts, shapes; written last

Shards are folders ``shard-1-of-4`` of the same layout; whoever finishes the last one merges them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe import files
from coldframe.cold.npy import concatenate, whole
from coldframe.data.base import Images
from coldframe.errors import FileError, InputError
from coldframe.files.formats import Extraction
from coldframe.files.reading import read, typed
from coldframe.types import FEATURES

UNFINISHED = ".unfinished"
_COLUMNS = ("row", "image", "split", "label", "class", "digest")


@dataclass(frozen=True, eq=False)
class Source:
    """The images of an extraction, in order.

    Args:
        spec: the text that names them.
        images: N pictures.
        splits: (name, number of images) one after the other; empty where there are none.
        labels: class indices [N], or None.
        classes: class names.
        left_out: files that cannot be used, each with a few words why.
        tags: which labels each image has [N, K], where they have several; ``labels`` does not count then.
    """

    spec: str
    images: Images
    splits: tuple[tuple[str, int], ...] = ()
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    tags: NDArray[np.bool_] | None = None

    def held(self) -> NDArray[Any] | None:
        """Return what ``labels.npy`` holds: class indices [N], or which labels each image has [N, K]."""
        return self.labels if self.tags is None else self.tags

    def line(self, row: int, digest: str) -> tuple[object, ...]:
        """Return the line of ``images.csv`` of one image."""
        end, split = 0, ""
        for name, count in self.splits:
            end += count
            if row < end:
                split = name
                break
        known: tuple[object, object] = ("", "")
        if self.tags is not None:
            own = np.flatnonzero(self.tags[row]).tolist()
            known = "|".join(map(str, own)), "|".join(self.classes[label] for label in own)
        elif self.labels is not None:
            known = int(self.labels[row]), self.classes[int(self.labels[row])]
        return (row, self.images.name(row), split, *known, digest)


def lines_of(lines: Iterable[Iterable[object]]) -> bytes:
    """Return rows as CSV, UTF-8."""
    return files.encoded(files.as_csv(lines))


def finish(place: Path, source: Source, rows: range, manifest: dict[str, Any]) -> None:
    """Give the files their final names, the manifest last."""
    part = place / UNFINISHED
    with files.explained(place, "write"):
        for x in manifest["layers"].values():
            if (part / x["file"]).is_file():  # else a pass that was killed here has moved it already
                (part / x["file"]).replace(place / x["file"])
        if (part / "images.csv").is_file():
            files.write_bytes(place / "images.csv", lines_of([_COLUMNS]) + (part / "images.csv").read_bytes())
    _write_labels(place, source, rows)
    files.write_json(place / "manifest.json", manifest)


def _write_labels(place: Path, source: Source, rows: range) -> None:
    held = source.held()
    if held is not None:
        labels = held[rows.start : rows.stop]
        files.write_figure(place / "labels.npy", lambda path: np.save(path, labels))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what ``manifest.json`` of a finished folder says. Raises :class:`FileError` where it is damaged."""
    path, remedy = folder / "manifest.json", "extract again"
    found = read(path, dict[str, Any], remedy=remedy)
    typed(found, Extraction, str(path), remedy=remedy, strict=False)
    return found


def merge(folder: Path, n: int, source: Source) -> dict[str, Any] | None:
    """Join n finished shards into one set of files and remove them; None while some are missing."""
    places = [folder / f"shard-{i}-of-{n}" for i in range(1, n + 1)]
    with files.holding(folder / ".merging", wait=True):
        if (folder / "manifest.json").is_file():
            return read_manifest(folder)
        if not all((place / "manifest.json").is_file() and not (place / UNFINISHED).exists() for place in places):
            return None
        manifests = [read_manifest(place) for place in places]
        if len({manifest["key"] for manifest in manifests}) > 1:
            raise InputError(f"the shards in {folder} were made of other images, weights or settings; remove the odd ones")
        with files.explained(folder, "write"):
            for x in manifests[0]["layers"].values():
                parts = [(place / x["file"], m["n"]) for place, m in zip(places, manifests, strict=True)]
                concatenate(parts, folder / x["file"], x["shape"], x["dtype"])
            lists = [(place / "images.csv").read_bytes().partition(b"\n")[2] for place in places]
            files.write_bytes(folder / "images.csv", lines_of([_COLUMNS]) + b"".join(lists))
        total = sum(m["n"] for m in manifests)
        _write_labels(folder, source, range(total))
        seconds = sum(m["seconds"] for m in manifests)
        joined: dict[str, Any] = manifests[0] | {"n": total, "first_row": 0, "seconds": seconds, "shards": n}
        files.write_json(folder / "manifest.json", joined)
        for place in places:
            files.remove_folder(place)
        (folder / ".merging").unlink(missing_ok=True)
    return joined


def extracted(folder: str | Path, layer: str = FEATURES) -> NDArray[Any]:
    """Return the activations [N, *shape] that :func:`extract` finished in a folder, memory-mapped.

    Raises:
        InputError: the folder is not finished or does not hold this cut.
    """
    folder = Path(folder)
    if not (folder / "manifest.json").is_file():
        raise InputError(f"expected finished features in {folder}, found no manifest.json; run coldframe extract to its end")
    manifest = read_manifest(folder)
    if layer not in manifest["layers"]:
        raise InputError(f"{folder} holds {', '.join(manifest['layers'])}, found {layer!r} asked for")
    x = manifest["layers"][layer]
    if not whole(folder / x["file"], manifest["n"], x["shape"], x["dtype"]):
        raise FileError(f"{folder / x['file']} is damaged: its size is not what the manifest says; extract again")
    return np.load(folder / x["file"], mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
