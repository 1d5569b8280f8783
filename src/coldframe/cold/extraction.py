"""Activations as files: any number of cuts in one pass over the images, taken up again where it was stopped.

What is being written stands in ``.unfinished/`` with the number of rows that are safely on the disk; see
:mod:`coldframe.cold.manifest` for what is finished.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.cold.engines import TRIED, Run, chosen, marked, tapped, tried
from coldframe.cold.feed import ahead
from coldframe.cold.finite import check_finite
from coldframe.cold.manifest import UNFINISHED, Source, finish, lines_of, merge, read_manifest
from coldframe.cold.npy import Growing, whole
from coldframe.data.decode import load_pixels
from coldframe.errors import FileError, InputError, ModelError
from coldframe.files.formats import ExtractionProgress
from coldframe.files.reading import read
from coldframe.machine.room import check_batch
from coldframe.types import FEATURES, PIXELS, digest_of
from coldframe.version import __version__

_SAVE_SECONDS = 20.0


def extract(
    backbone: Backbone,
    source: Source,
    folder: str | Path,
    *,
    layers: Sequence[str] = (FEATURES,),
    normalised: bool = False,
    shard: tuple[int, int] = (1, 1),
    batch_size: int = 64,
    workers: int = 2,
    about: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: str = "eager",
) -> dict[str, Any]:
    """Write the activations of images at any number of cuts, in one forward pass over them.

    Memory does not grow with the number of images: batches are decoded ahead, run, appended and forgotten.

    Args:
        backbone: the network.
        source: the images.
        folder: where to; what is finished there with the same settings is kept.
        layers: cuts.
        normalised: divide each image's features by their L2 norm; the other cuts stay as they are.
        shard: (i, n): the i-th of n equal parts of the images, 1 <= i <= n.
        batch_size: images decoded together; a CPU runs them in pieces.
        workers: threads that decode.
        about: further facts for the manifest.
        progress: called with (images done, images of this shard).
        engine: what runs the network, see :mod:`coldframe.cold.engines`; the manifest names the one that did.

    Returns:
        The manifest: of all images where they are complete, else of the shard.

    Raises:
        InputError: an unknown cut, a shard that does not exist, or a folder with other content.
        FileError: another process is writing the same shard, or an image changed since its row was written.
    """
    folder, (i, n) = Path(folder), shard
    if not 1 <= i <= n <= len(source.images):
        raise InputError(f"expected a shard i/n with 1 <= i <= n <= {len(source.images)} images, found {i}/{n}")
    cuts = sorted(dict.fromkeys(layers), key=backbone.index)
    if normalised and FEATURES not in cuts:
        raise InputError(f"expected the cut {FEATURES!r} with normalised, which changes nothing else, found {', '.join(cuts)}")
    run, ran = _engine(engine, backbone, source, cuts, workers)
    manifest = _manifest(backbone, source, cuts, normalised, ran) | (about or {})
    if _finished(folder, manifest):
        for left in folder.glob("shard-*-of-*"):  # by a merge that was killed at its end
            files.remove_folder(left)
        return read_manifest(folder)
    total = len(source.images)
    rows = range((i - 1) * total // n, i * total // n)
    place = folder if n == 1 else folder / f"shard-{i}-of-{n}"
    with files.holding(place / UNFINISHED / "lock") as alone:
        if not alone:
            raise FileError(f"cannot write {place}: another process is filling it; wait for it, or choose another --out")
        if not _finished(place, manifest):
            manifest |= {"n": len(rows), "first_row": rows.start}
            manifest |= {"seconds": _fill(backbone, source, place, rows, manifest, batch_size, workers, progress, run)}
            finish(place, source, rows, manifest)
        own = read_manifest(place)
        # From here on another process may merge this shard with its own, and remove it.
        files.remove_folder(place / UNFINISHED)
    return own if n == 1 else merge(folder, n, source) or own


def _engine(
    engine: str, backbone: Backbone, source: Source, cuts: Sequence[str], workers: int
) -> tuple[Run | None, dict[str, str]]:
    """Return the engine, tried on the first images, and what the manifest says of it."""
    able, said = chosen(engine, backbone)
    if able != "eager" and cuts != [PIXELS]:
        pixels = load_pixels(source.images, range(min(TRIED, len(source.images))), backbone.preprocess, workers)
        try:
            run = tried(able, backbone, cuts, files.cache_root() / "engines", torch.from_numpy(pixels))
            return run, {"engine": marked(able).removeprefix("-")}
        except ModelError as error:
            said = f"{backbone.name} runs in eager PyTorch, not {able}: {error}"
    return None, {"note": said} if said else {}


def _manifest(
    backbone: Backbone, source: Source, cuts: Sequence[str], normalised: bool, ran: dict[str, str]
) -> dict[str, Any]:
    """Return what decides the numbers, with a key that is equal for equal numbers."""
    side = backbone.preprocess.size
    blank = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    with torch.inference_mode():
        shapes = {cut: list(x.shape[1:]) for cut, x in tapped(backbone, blank, cuts).items() if cut in cuts}
    about = {
        "model": backbone.name,
        "digest": backbone.digest,
        "preprocess": backbone.preprocess.as_dict(),
        "precision": str(backbone.dtype).removeprefix("torch."),
        "normalised": normalised,
        "layers": {
            cut: {"file": f"{cut}.npy", "shape": shapes[cut], "dtype": "uint8" if cut == PIXELS else "float32"} for cut in cuts
        },
        "data": source.spec,
        "images": len(source.images),
        "splits": dict(source.splits),
        "classes": list(source.classes),
    } | {name: value for name, value in ran.items() if name == "engine"}
    names = [source.images.name(row) for row in range(len(source.images))]
    held = source.held()
    labels = None if held is None else held.tolist()
    known = {"coldframe": __version__, "key": digest_of([about, names, labels]), "weights": backbone.weights}
    return known | about | ran | _left_out(source)


def _left_out(source: Source) -> dict[str, Any]:
    return {"left_out": dict(source.left_out)} if source.left_out else {}


def _finished(folder: Path, manifest: dict[str, Any]) -> bool:
    """Return whether a folder holds just this; refuse one that holds something else."""
    if not (folder / "manifest.json").is_file():
        return False
    kept = read_manifest(folder)
    if kept["key"] != manifest["key"]:
        raise InputError(f"{folder} holds features of other images, weights or settings; choose another --out or remove it")
    return all(whole(folder / x["file"], kept["n"], x["shape"], x["dtype"]) for x in kept["layers"].values())


@torch.inference_mode()
def _fill(
    backbone: Backbone,
    source: Source,
    place: Path,
    rows: range,
    manifest: dict[str, Any],
    batch_size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
    run: Run | None,
) -> float:
    """Write what is missing of a shard's files; return the seconds that all passes over it took together."""
    part = place / UNFINISHED
    safe, listed, before = _progress(part, source, rows, manifest)
    if safe == len(rows):
        return before
    start, cuts = time.monotonic(), list(manifest["layers"])
    kept = sum(8 * math.prod(layer["shape"]) for layer in manifest["layers"].values())  # as the network gives it, and joined
    check_batch(batch_size, len(rows) - safe, backbone.preprocess.size, kept)
    writers = {
        cut: Growing(part / x["file"], len(rows), x["shape"], x["dtype"], safe) for cut, x in manifest["layers"].items()
    }

    def load(chunk: range) -> tuple[range, list[str], Tensor]:
        pixels = load_pixels(source.images, chunk, backbone.preprocess, workers)  # [b, 3, S, S]
        return chunk, [source.images.digest(row) for row in chunk], torch.from_numpy(pixels)

    chunks = [rows[at : at + batch_size] for at in range(safe, len(rows), batch_size)]
    saved = start
    try:
        with files.explained(part, "write"), (part / "images.csv").open("r+b" if safe else "wb") as log:
            log.truncate(listed)
            log.seek(listed)
            for chunk, digests, pixels in ahead(load, chunks):
                found = tapped(backbone, pixels, cuts, run)
                for cut in cuts:
                    check_finite(found[cut], backbone.name, cut, partial(_name, source, chunk))
                    x = found[cut] if cut == PIXELS else found[cut].float()
                    if cut == FEATURES and manifest["normalised"]:
                        x = torch.nn.functional.normalize(x, dim=-1)
                    writers[cut].add(x.cpu().numpy())
                log.write(lines_of(source.line(row, digest) for row, digest in zip(chunk, digests, strict=True)))
                safe += len(chunk)
                if progress is not None:
                    progress(safe, len(rows))
                if safe == len(rows) or time.monotonic() - saved > _SAVE_SECONDS:
                    for writer in writers.values():
                        writer.sync()
                    log.flush()
                    saved = time.monotonic()
                    kept = {"key": manifest["key"], "rows": safe, "listed": log.tell(), "seconds": before + saved - start}
                    files.write_json(part / "progress.json", kept)
    finally:
        for writer in writers.values():
            with contextlib.suppress(FileError):  # after an error the rest cannot be written either; else all is on the disk
                writer.close()
    return before + saved - start


def _name(source: Source, chunk: range, row: int) -> str:
    return source.images.name(chunk[row])


def _progress(part: Path, source: Source, rows: range, manifest: dict[str, Any]) -> tuple[int, int, float]:
    """Return (rows that are safe, bytes of the list of images, seconds so far) of a pass that was stopped, or zeros."""
    if not (part / "progress.json").is_file():
        return 0, 0, 0.0
    kept = read(part / "progress.json", ExtractionProgress, remedy=f"remove {part} and begin again")
    if kept.key != manifest["key"]:
        raise InputError(f"{part.parent} holds an unfinished pass with other settings; choose another --out or remove it")
    if kept.rows == len(rows):
        return len(rows), kept.listed, kept.seconds
    with files.explained(part, "read"):
        text = (part / "images.csv").read_bytes()[: kept.listed].decode()
    for row, line in zip(rows, csv.reader(io.StringIO(text)), strict=False):
        if line[-1] != source.images.digest(row):
            what = f"expected {source.images.name(row)} as it was when the pass began, found other bytes"
            raise FileError(f"{what}; remove {part} and begin again")
    return kept.rows, kept.listed, kept.seconds
