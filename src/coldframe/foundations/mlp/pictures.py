"""Images as rows of numbers: decoded once, kept as uint8, normalised a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldframe.data import Dataset, Split
from coldframe.data.decode import load_pixels
from coldframe.errors import DataError
from coldframe.foundations.mlp.layers import Array, check_labels
from coldframe.types import Preprocess

CIFAR = Preprocess(size=32, resize=32, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262))
"""32 x 32 pixels, with the mean and the standard deviation of CIFAR-10's training images."""


@dataclass(frozen=True, eq=False)
class Examples:
    """N labelled rows.

    Args:
        x: uint8 pixels [N, 3 H W], channels one after the other; or floats [N, D] that are used as they are.
        labels: class indices [N], int64.
        classes: K class names.
        mean: channel means of uint8 pixels in units of [0, 1].
        std: channel standard deviations of uint8 pixels in units of [0, 1].

    Raises:
        DataError: rows and labels do not fit together, a label is out of range, or a value is not a number.
    """

    x: NDArray[np.generic]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[float, float, float] = CIFAR.mean
    std: tuple[float, float, float] = CIFAR.std

    def __post_init__(self) -> None:
        if self.x.ndim != 2:
            raise DataError(f"expected rows of shape [N, D], found {list(self.x.shape)}; flatten the images")
        check_labels(self.labels, len(self.x), len(self.classes))
        if self.x.dtype != np.uint8:
            # Row by row, so that no second copy of the data is made.
            bad = next((i for i, row in enumerate(self.x) if not np.isfinite(row.astype(np.float64)).all()), None)
            if bad is not None:
                raise DataError(f"expected finite numbers, found NaN or infinity in row {bad} of the data; mend or drop it")

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: NDArray[np.int64] | slice, dtype: DTypeLike) -> Array:
        """Return rows [B, D] ready for a network."""
        rows: Array = self.x[indices].astype(dtype)
        if self.x.dtype == np.uint8:
            pixels = rows.reshape(len(rows), 3, -1)  # [B, 3, H W]
            std = np.asarray(self.std, dtype)[:, None]
            pixels *= 1 / (255 * std)
            pixels -= np.asarray(self.mean, dtype)[:, None] / std
        return rows

    def check_every_class(self) -> None:
        """Refuse training data in which a class has no example. Raises :class:`DataError`."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        empty = [name for name, count in zip(self.classes, counts, strict=True) if count == 0]
        if empty:
            raise DataError(
                f"expected a training image of every class, found none of {', '.join(map(repr, empty[:3]))}; "
                "add images or take the class out"
            )


def read(split: Split, preprocess: Preprocess = CIFAR) -> Examples:
    """Decode all images of a split into memory, 3,072 bytes each at 32 x 32; images of that size are not resized."""
    pixels = load_pixels(split.images, np.arange(len(split)), preprocess)  # [N, 3, S, S]
    return Examples(pixels.reshape(len(split), -1), split.labels, split.classes, preprocess.mean, preprocess.std)


def read_all(data: Dataset) -> dict[str, Examples]:
    """Return train, val and test, decoded."""
    return {split.name: read(split) for split in (data.train, data.val, data.test)}
