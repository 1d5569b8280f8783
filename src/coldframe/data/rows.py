"""From rows of (image, label, split, group) to a data set: where every reader of lists, arrays and shards ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from coldframe.data.base import Dataset, Images, LoadOptions, Split, Subset
from coldframe.data.splits import assemble
from coldframe.data.targets import matrix, of_several
from coldframe.errors import DataError

SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What people call the three splits, in small letters."""
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0+)?")


@dataclass
class Listing:
    """N rows.

    Args:
        spec: the text that loads them again.
        images: N pictures.
        labels: N class names as texts; an empty one is withheld.
        splits: N names of splits as the data writes them; None where it has none.
        groups: N names of what belongs together, such as a patient; None where it has none.
        names: K classes in order; None takes those that occur, numbers by their value, else by their letters.
        place: what a person would call row n.
        notes: what the reader found, for ``origin``.
        labels_in: where the labels stand, such as the column of a file, for errors.
        tags: N times the labels of an image, where images have several; then ``labels`` do not count.
    """

    spec: str
    images: Images
    labels: Sequence[str]
    splits: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    names: Sequence[str] | None = None
    place: Callable[[int], str] = "row {}".format
    notes: list[str] = field(default_factory=list)
    labels_in: str = ""
    tags: Sequence[Sequence[str]] | None = None


def dataset_of(rows: Listing, options: LoadOptions) -> Dataset:
    """Return the data set of some rows; official splits are kept and missing ones drawn.

    A test or validation split without any label is left out, and ``origin`` says so.

    Raises:
        DataError: a split of another name, a row without a label, or a label that no class has.
    """
    if not len(rows.images):
        raise DataError(f"expected images in {rows.spec}, found none; check what it names")
    split_of = [_split(rows, number) for number in range(len(rows.images))]
    notes = list(rows.notes)
    labels = whole_numbers(rows.labels) if rows.tags is None else ["|".join(one) for one in rows.tags]
    for split in ("val", "test"):
        here = [label for label, name in zip(labels, split_of, strict=True) if name == split]
        if here and not any(here):
            notes.append(f"{split} left out: its {len(here):,} labels are withheld")
            split_of = ["" if name == split else name for name in split_of]
    every = {label for label in labels if label} if rows.tags is None else {label for one in rows.tags for label in one}
    names = list(rows.names) if rows.names is not None else sorted_names(every)
    index = {name: number for number, name in enumerate(names)}
    if len(index) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"expected distinct names of classes in {rows.spec}, found {twice!r} twice; rename one")
    for number, (label, split) in enumerate(zip(labels, split_of, strict=True)):
        if split and rows.tags is None and label not in index:
            found = repr(label[:60]) if label else "none"
            said = f"expected a label of {rows.spec} in {rows.place(number)}, found {found}"
            raise DataError(f"{said}; correct it or remove the row")
    splits: dict[str, Split] = {}
    for name in ("train", "val", "test"):
        chosen = [number for number, split in enumerate(split_of) if split == name]
        if chosen:
            groups = None if rows.groups is None else tuple(rows.groups[n] for n in chosen)
            images = Subset(rows.images, np.asarray(chosen, dtype=np.int64))
            if rows.tags is not None:
                splits[name] = of_several(name, images, matrix([rows.tags[n] for n in chosen], names), names, groups)
                continue
            found_labels = np.asarray([index[labels[n]] for n in chosen], dtype=np.int64)
            splits[name] = Split(name, images, found_labels, tuple(names), groups)
    if "train" not in splits:
        raise DataError(f"expected rows of train in {rows.spec}, found only {' and '.join(splits)}; name the split train")
    data = assemble(rows.spec, splits["train"], splits.get("val"), splits.get("test"), options, rows.labels_in)
    return replace(data, origin="; ".join(filter(None, (*notes, data.origin))))


def _split(rows: Listing, number: int) -> str:
    if rows.splits is None:
        return "train"
    word = rows.splits[number].strip().lower()
    if word not in SPLIT_WORDS:
        said = f"expected train, val or test as the split of {rows.place(number)}, found {rows.splits[number][:40]!r}"
        raise DataError(f"{said}; correct it, or name the column of splits")
    return SPLIT_WORDS[word]


def whole_numbers(labels: Sequence[str]) -> list[str]:
    """Return labels stripped; where all are whole numbers, written as such: ``1.0`` and ``01`` are ``1``.

    Example:
        >>> whole_numbers(["1.0", " 2.0", ""]), whole_numbers(["01", "x"])
        (['1', '2', ''], ['01', 'x'])
    """
    bare = [label.strip() for label in labels]
    if all(_WHOLE.fullmatch(label) for label in bare if label):
        return [str(int(label.partition(".")[0])) if label else "" for label in bare]
    return bare


def sorted_names(names: set[str]) -> list[str]:
    """Return class names in order: numbers by their value, else texts by their letters."""
    if all(re.fullmatch(r"-?\d{1,18}", name) for name in names):
        return sorted(names, key=int)
    return sorted(names)
