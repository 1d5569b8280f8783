"""What a data set is: images that open on demand, integer labels, class names, and three splits of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from coldframe.errors import DataError, InputError, nearest

OnError = Literal["raise", "skip"]
"""What to do with a file that cannot be decoded: stop and name it, or leave it out and count it."""


class Unreadable(DataError):
    """A picture that cannot be used.

    Args:
        message: the sentence.
        reason: a few words that many pictures share, by which they are counted.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Images(Protocol):
    """N pictures that are decoded when asked for. Reading must be safe from several threads at once."""

    def __len__(self) -> int:
        """Return N."""

    def open(self, index: int) -> Image:
        """Return picture ``index`` as 8-bit RGB, upright. Raises :class:`DataError` that names a damaged file."""

    def digest(self, index: int) -> str:
        """Return 32 hexadecimal digits that change whenever the stored bytes of picture ``index`` change."""

    def name(self, index: int) -> str:
        """Return what a person would call the picture: its path, or the row of its archive."""


@dataclass(frozen=True, eq=False)
class Subset:
    """Some pictures of another sequence of pictures, in the order of ``indices``."""

    images: Images
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def open(self, index: int) -> Image:
        return self.images.open(int(self.indices[index]))

    def digest(self, index: int) -> str:
        return self.images.digest(int(self.indices[index]))

    def name(self, index: int) -> str:
        return self.images.name(int(self.indices[index]))


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled pictures.

    Args:
        name: ``"train"``, ``"val"`` or ``"test"``.
        images: N pictures.
        labels: class indices [N], int64, each in 0 .. K-1.
        classes: K class names as a person writes them.
        groups: N names of what belongs together, such as a patient or a video; None where that is not known.
        tags: which of the K labels each image has [N, K], where images have several; ``labels`` then is the rarest one of
            each, for drawing alone. None where each image has one.
        ordered: whether the classes are ranks, the lowest first.
    """

    name: str
    images: Images
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    tags: NDArray[np.bool_] | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise DataError(
                f"expected one label per image, found {len(self.images)} images and {len(self.labels)} labels"
            )
        if self.tags is not None and self.tags.shape != (len(self.images), len(self.classes)):
            shape = list(self.tags.shape)
            raise DataError(f"expected labels of {len(self.images)} images among {len(self.classes)}, found {shape}")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"expected labels from 0 to {len(self.classes) - 1}, "
                f"found {int(self.labels.min())} to {int(self.labels.max())}; check the label column"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self):,} images of {len(self.classes)} classes>"

    def subset(self, indices: Sequence[int] | NDArray[np.int64], name: str | None = None) -> Split:
        """Return the rows ``indices`` of this split, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        groups = None if self.groups is None else tuple(self.groups[row] for row in chosen)
        images = Subset(self.images, chosen)
        tags = None if self.tags is None else self.tags[chosen]
        return replace(self, name=name or self.name, images=images, labels=self.labels[chosen], groups=groups, tags=tags)


@dataclass(frozen=True)
class Part:
    """One of the data sets that were joined into a union of label sets.

    Args:
        name: what a person calls it, such as ``"cifar10"``; no two parts have the same.
        spec: the text that loads it alone.
        start: its first class in the union.
        stop: the class after its last.
    """

    name: str
    spec: str
    start: int
    stop: int

    def holds(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which labels of the union are of this part [N]."""
        return (labels >= self.start) & (labels < self.stop)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits with the same classes.

    Args:
        spec: the text that loads it again, such as ``"folder:flowers"``.
        train: what methods learn from.
        val: what choices are made on.
        test: what is read once, at the end.
        origin: how the splits came about, in words: official, or drawn with which seed.
        skipped: unreadable files that were left out on request, by name.
        reasons: a few words why, for each of them.
        parts: what was joined, in order; empty where nothing was.
    """

    spec: str
    train: Split
    val: Split
    test: Split
    origin: str = ""
    skipped: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """K class names as a person writes them."""
        return self.train.classes

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """What methods learn from, what choices are made on, what is read once."""
        return self.train, self.val, self.test

    def split(self, name: str) -> Split:
        """Return the split of a name: ``"train"``, ``"val"`` or ``"test"``."""
        found: Split = {"train": self.train, "val": self.val, "test": self.test}[name]
        return found

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} train, {len(self.val):,} val, {len(self.test):,} test"
        return f"<{self.spec}: {sizes}, {len(self.classes)} classes>"


def without_labels(images: Images, name: str, classes: Sequence[str]) -> Split:
    """Return pictures as a split that tells no labels: all are 0."""
    return Split(name, images, np.zeros(len(images), dtype=np.int64), tuple(classes))


@dataclass(frozen=True)
class LoadOptions:
    """What a loader is asked for beside the name of the data. Every loader takes ``(rest of the spec, LoadOptions)``.

    Args:
        shots: training images per class, or None for all.
        seed: decides which images are drawn, wherever a split is drawn.
        val: share of the training images that becomes the validation split where the data has none, in (0, 1); or how many
            images of train it gets, a whole number, drawn at once whatever their class.
        classes: K class names in label order, a dictionary of them by the data's names, or a text file of K lines, in
            place of the data's own.
        on_error: ``"raise"`` or ``"skip"``.
        download: whether data that is not on this machine may be fetched.
        whole: every image in the test split, labelled or not in the other ones; nothing is drawn.
        targets: what labels are, see :mod:`coldframe.data.targets`.
    """

    shots: int | None = None
    seed: int = 0
    val: float | int = 0.2
    classes: Mapping[str, str] | Sequence[str] | str | Path | None = None
    on_error: OnError = "raise"
    download: bool = False
    whole: bool = False
    targets: Literal["auto", "classes", "several", "ranks"] = "auto"

    def __post_init__(self) -> None:
        if self.shots is not None and self.shots < 1:
            raise InputError(f"expected shots of 1 or more, found {self.shots}; leave it out to use every image")
        if isinstance(self.val, bool) or not (0 < self.val < 1 or (isinstance(self.val, int) and self.val >= 1)):
            raise InputError(f"expected val to be a share such as 0.2, or a number of images, found {self.val}")
        if self.on_error not in get_args(OnError):
            raise InputError(f"unknown on_error {self.on_error!r}{nearest(str(self.on_error), get_args(OnError))}")
