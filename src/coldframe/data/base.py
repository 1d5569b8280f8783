"""What a data set is: images that open on demand, integer labels, class names, and three splits of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from coldframe.errors import DataError


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
    """

    name: str
    images: Images
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise DataError(f"expected one label an image, found {len(self.images)} images and {len(self.labels)} labels")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"expected labels from 0 to {len(self.classes) - 1}, "
                f"found {int(self.labels.min())} to {int(self.labels.max())}; check the label column"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Sequence[int] | NDArray[np.int64], name: str | None = None) -> Split:
        """Return the rows ``indices`` of this split, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return replace(self, name=name or self.name, images=Subset(self.images, chosen), labels=self.labels[chosen])


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
    """

    spec: str
    train: Split
    val: Split
    test: Split
    origin: str = ""
    skipped: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """K class names as a person writes them."""
        return self.train.classes
