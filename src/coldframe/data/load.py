"""``load_dataset``: from the text that names a data set to the data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from coldframe.data.base import Dataset, LoadOptions, OnError, Part, Split
from coldframe.data.joined import Joined
from coldframe.data.names import chosen_names
from coldframe.data.targets import ranked, refuse_several, taken
from coldframe.errors import InputError, nearest
from coldframe.files import exists
from coldframe.registry import DATASETS, resolve

_PREFIX = re.compile(r"([A-Za-z][\w-]+):(?!//)(.*)", re.DOTALL)
"""Two letters or more before the colon, so that a drive letter is part of a path."""

_ENDINGS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".npz": "npz", ".npy": "npy", ".tar": "wds"}
"""What a path without a kind is, by its ending; everything else is a folder."""
WRITTEN = ("csv", "json", "parquet", "hf", "folder")
"""Kinds in which somebody wrote the classes, so that numbers among them may be ranks."""


def load_dataset(
    spec: str,
    *,
    shots: int | None = None,
    seed: int = 0,
    val: float | int = 0.2,
    classes: Mapping[str, str] | Sequence[str] | str | Path | None = None,
    on_error: OnError = "raise",
    download: bool = False,
    whole: bool = False,
    several: bool = False,
) -> Dataset:
    """Load labelled images in three splits. Images are decoded when they are used.

    Args:
        spec: a kind and a place, such as ``folder:PATH`` or ``csv:FILE?label=species`` (docs/data.md has all kinds), a path
            (its ending tells the kind), or several joined by ``+``: the classes of the second follow those of the first,
            and a class name that both have gets the name of its data set behind it, in brackets.
        shots: training images per class; a class too small for them is split as without, its test share kept. Of joined
            sets each has so many a class.
        seed: decides which images are drawn, wherever a split is drawn.
        val: share of each class of train that becomes the validation split where the data has none, in (0, 1); or a number
            of images, drawn from the whole of train as ``torch.utils.data.random_split`` draws them with this seed.
        classes: K class names in label order, a dictionary of them by the data's names, or a text file of K lines, in
            place of the data's own.
        on_error: ``"raise"`` stops at the first image that does not decode, when it is used; ``"skip"`` tries all images
            first, leaves unreadable ones out, and lists them in ``Dataset.skipped``.
        download: whether data that is not on this machine may be fetched.
        whole: every image in the test split, nothing drawn: for a model that learns nothing from them, so that a class with
            one image, or without any in train, is no fault.
        several: whether data with several labels per image is taken; see :mod:`coldframe.data.targets`.

    Returns:
        The data set; its ``origin`` says in words how each split came about.

    Raises:
        InputError: an unknown kind of data, or an option out of its range.
        DataError: data that is missing or cannot be used.

    Several labels per image stand in ``Split.tags``.

    Example:
        >>> load_dataset("mini:cifar10", shots=4).train.name
        'train'
    """
    options = LoadOptions(shots, seed, val, classes, on_error, download, whole)
    parts = split_spec(spec)
    if len(parts) == 1:
        data = _load_one(parts[0], options)
        if not several:
            refuse_several(data)
        return data
    return join([_load_one(part, replace(options, classes=None)) for part in parts], options.classes)


def split_spec(spec: str) -> list[str]:
    """Return the parts of a joined spec; a ``+`` inside a path that exists joins nothing."""
    parts: list[str] = []
    for piece in spec.split("+"):
        if parts and not _PREFIX.fullmatch(piece) and _exists(f"{parts[-1]}+{piece}"):
            parts[-1] += f"+{piece}"
        else:
            parts.append(piece)
    return parts


def canonical(spec: str) -> str:
    """Return a spec as its data set writes it, so that two texts of one data set of torchvision are equal.

    Example:
        >>> canonical("torchvision:cifar10"), canonical("folder:Pets")
        ('torchvision:CIFAR10', 'folder:Pets')
    """
    from coldframe.data import torchvision

    parts = []
    for part in split_spec(spec):
        kind, colon, name = part.partition(":")
        parts.append(f"{kind}:{torchvision.canonical(name)}" if colon and kind == "torchvision" and name else part)
    return "+".join(parts)


def _exists(part: str) -> bool:
    match = _PREFIX.fullmatch(part)
    return exists(match[2] if match else part)


def _load_one(part: str, options: LoadOptions) -> Dataset:
    match = _PREFIX.fullmatch(part)
    if match and match[1] in DATASETS and match[2]:
        rest, targets = taken(match[2])
        data: Dataset = resolve(DATASETS, match[1], "kind of data")(rest, replace(options, targets=targets))
        data = data if rest == match[2] else replace(data, spec=part)
        return ranked(data, targets) if match[1] in WRITTEN or targets == "ranks" else data
    if part and exists(part):
        kind = _ENDINGS.get(Path(part).suffix.lower(), "folder")
        return _load_one(f"{kind}:{part}", options)
    if match and match[1] in DATASETS:
        raise InputError(f"expected a name or a path after {part!r}, found nothing; see coldframe datasets")
    if match:
        raise InputError(f"unknown kind of data {match[1]!r} in {part!r}{nearest(match[1], DATASETS)}")
    raise InputError(
        f"expected a data set such as folder:PATH, parquet:PATH, torchvision:NAME or mini:NAME, or a path on "
        f"this machine, found {part!r}; see coldframe datasets"
    )


def join(parts: Sequence[Dataset], classes: Mapping[str, str] | Sequence[str] | str | Path | None = None) -> Dataset:
    """Return the union of label sets: labels of each part are moved up by the number of classes before it.

    Args:
        parts: data sets with K1, K2, ... classes.
        classes: K1 + K2 + ... names in place of their own.
    """
    names = _apart(parts) if classes is None else chosen_names(_apart(parts), classes)
    for part in parts:
        refuse_several(part)
    offsets = np.cumsum([0, *(len(part.classes) for part in parts)])

    def joined(name: str) -> Split:
        splits: list[Split] = [getattr(part, name) for part in parts]
        labels = np.concatenate([split.labels + offset for split, offset in zip(splits, offsets, strict=False)])
        return Split(name, Joined([split.images for split in splits]), labels.astype(np.int64), names)

    origin = " | ".join(f"{part.spec}: {part.origin}" for part in parts)
    skipped = tuple(name for part in parts for name in part.skipped)
    spec = "+".join(part.spec for part in parts)
    bounds = zip(short_names(parts), parts, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    places = tuple(Part(name, part.spec, start, stop) for name, part, start, stop in bounds)
    reasons = {name: why for part in parts for name, why in part.reasons.items()}
    return Dataset(spec, joined("train"), joined("val"), joined("test"), origin, skipped, reasons, places)


def short_names(parts: Sequence[Dataset]) -> list[str]:
    """Return one distinct name a part: the end of its spec, or failing that its number."""
    short = [re.split(r"[:/\\]", part.spec.split("?")[0].rstrip("/\\"))[-1] for part in parts]
    return short if len(set(short)) == len(short) else [str(number) for number in range(1, len(parts) + 1)]


def _apart(parts: Sequence[Dataset]) -> tuple[str, ...]:
    """Return all class names, distinct: one that two parts have gets its part's name behind it."""
    count, short = Counter(name for part in parts for name in part.classes), short_names(parts)
    return tuple(
        f"{name} ({tag})" if count[name] > 1 else name
        for part, tag in zip(parts, short, strict=True)
        for name in part.classes
    )
