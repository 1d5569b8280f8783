"""Features of any images as files: what ``coldframe extract`` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source
from coldframe.data import load_dataset
from coldframe.data.base import OnError
from coldframe.data.folder import SUFFIXES, Files
from coldframe.data.joined import everything
from coldframe.data.places import MOST_ENTRIES, Seen, find_files, readable, unlabelled
from coldframe.errors import InputError
from coldframe.files import expanded
from coldframe.measures import machine
from coldframe.registry import DATASETS
from coldframe.types import FEATURES
from coldframe.verbs.watch import command_line


def shard_of(text: str) -> tuple[int, int]:
    """Return (i, n) of a text such as ``2/4``: the second of four parts."""
    first, slash, last = text.partition("/")
    digits = bool(slash) and len(text) < 40 and text.isascii() and first.isdecimal() and last.isdecimal()
    if not (digits and 1 <= int(first) <= int(last)):
        raise InputError(f"expected a shard i/n with 1 <= i <= n, such as 2/4, found {text!r}")
    return int(first), int(last)


def source_of(
    data: str, *, seed: int = 0, on_error: OnError = "raise", download: bool = False, seen: Seen | None = None
) -> Source:
    """Return all images of a data spec with their splits and labels; of a file, a glob or a folder of loose images without.

    Args:
        data: a data spec; or a path to a folder that holds images and neither folders nor metadata, a file, or a glob.
        seed: of splits that the data does not fix.
        on_error: ``"raise"`` or ``"skip"`` for images that do not decode.
        download: whether data that is not on this machine may be fetched.
        seen: called while loose images are searched for; see :data:`coldframe.data.places.Seen`.
    """
    path, loose = expanded(data.removeprefix("folder:")), unlabelled(data)
    alone = path.suffix.lower() in SUFFIXES or any(sign in path.name for sign in "*?[")
    if loose is not None or (alone and not _labelled(data)):
        files, left = readable(find_files([loose or path], most=MOST_ENTRIES, seen=seen), on_error)
        return Source(data, Files(tuple(files)), left_out=left)
    dataset = load_dataset(data, seed=seed, on_error=on_error, download=download, several=True)
    whole = everything(dataset)
    counts = tuple((split.name, len(split)) for split in dataset.splits if len(split))
    return Source(data, whole.images, counts, whole.labels, dataset.classes, dict(dataset.reasons), whole.tags)


def _labelled(data: str) -> bool:
    """Return whether a text names data of a kind or makes a choice, as in ``csv:a.csv?label=x``: its ``?`` is no glob's."""
    kind, colon, _ = data.partition(":")
    return (bool(colon) and kind in DATASETS and kind != "folder") or re.search(r"\?\w+=", data) is not None


def extract_data(
    model: str | Backbone,
    data: str | Source,
    out: str | Path,
    *,
    layers: Sequence[str] | None = None,
    normalised: bool = False,
    shard: str = "1/1",
    seed: int = 0,
    on_error: OnError = "raise",
    download: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
    seen: Seen | None = None,
    engine: str = "eager",
) -> dict[str, Any]:
    """Write a model's activations of a data set to a folder; see :func:`coldframe.cold.extraction.extract`.

    Args:
        model: a model id or a backbone.
        data: see :func:`source_of`.
        out: the folder.
        layers: cuts; the features when None.
        normalised: divide features by their L2 norm.
        shard: ``i/n``.
        seed: of splits that the data does not fix.
        on_error: what to do with images that do not decode.
        download: whether weights and data may be fetched.
        device: where to run.
        precision: ``"fp32"`` or ``"bf16"`` of weights and arithmetic; files are fp32 either way.
        batch_size: images decoded together.
        progress: called with (images done, images of this shard).
        seen: called while loose images are searched for.
        engine: what runs the network, see :mod:`coldframe.cold.engines`.

    Returns:
        The manifest.
    """
    part = shard_of(shard)
    if batch_size < 1:
        raise InputError(f"expected a batch size of 1 or more, found {batch_size}")
    if isinstance(data, Source):
        source = data
    else:
        source = source_of(data, seed=seed, on_error=on_error, download=download, seen=seen)
    if part[1] > len(source.images):
        raise InputError(f"expected a shard i/n with 1 <= i <= n <= {len(source.images)} images, found {shard}; ask for fewer")
    backbone = (
        model if isinstance(model, Backbone) else load_backbone(model, device=device, dtype=precision, download=download)
    )
    return extract(
        backbone, source, out, layers=layers or (FEATURES,), normalised=normalised, shard=part, batch_size=batch_size,
        about={"command": command_line(), "machine": machine(backbone.device)}, progress=progress,
        engine=engine,
    )  # fmt: skip
