"""Pictures that are arrays in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.splits import assemble
from coldframe.errors import DataError


class Arrays:
    """N pictures in one array.

    Args:
        values: [N, H, W, 3], [N, 3, H, W], [N, H, W], [N, H, W, 1] or [N, 1, H, W]; uint8, or floats in [0, 1], which
            are rounded to the nearest of 256 levels. Where both 3s fit, the last axis is the channels.
        title: what a person calls the array, for the names of its rows.
    """

    def __init__(self, values: NDArray[Any], title: str = "array") -> None:
        if values.ndim not in (3, 4) or (values.ndim == 4 and not {values.shape[1], values.shape[3]} & {1, 3}):
            raise DataError(
                "expected images of shape [N, H, W, 3], [N, 3, H, W] or [N, H, W], "
                f"found {list(values.shape)}; reorder the axes"
            )
        if values.dtype != np.uint8 and not np.issubdtype(values.dtype, np.floating):
            raise DataError(f"expected images of uint8 or of floats in [0, 1], found {values.dtype}; convert them")
        self._values, self._title = values, title
        self._channels_last = values.ndim == 4 and values.shape[3] in (1, 3)

    def __len__(self) -> int:
        return len(self._values)

    def open(self, index: int) -> Image.Image:
        value = self._values[index]
        if value.ndim == 3:
            value = value if self._channels_last else value.transpose(1, 2, 0)  # [H, W, C]
            value = value[:, :, 0] if value.shape[2] == 1 else value
        if value.dtype != np.uint8:
            least, most = float(value.min()), float(value.max())
            if not (least >= 0 and most <= 1):
                raise DataError(
                    f"expected floats in [0, 1] in {self.name(index)}, found {least:g} to {most:g}; "
                    "divide by the largest value, or give uint8"
                )
            value = np.floor(value.astype(np.float64) * 255 + 0.5).astype(np.uint8)
        return Image.fromarray(np.ascontiguousarray(value)).convert("RGB")

    def digest(self, index: int) -> str:
        value = self._values[index]
        state = hashlib.sha256(f"{value.dtype}:{value.shape}:{self._channels_last}".encode())
        state.update(np.ascontiguousarray(value).tobytes())
        return state.hexdigest()[:32]

    def name(self, index: int) -> str:
        return f"{self._title} row {index}"


def from_arrays(
    images: NDArray[Any],
    labels: Sequence[int] | NDArray[Any],
    classes: Sequence[str] | None = None,
    *,
    val: tuple[NDArray[Any], Sequence[int] | NDArray[Any]] | None = None,
    test: tuple[NDArray[Any], Sequence[int] | NDArray[Any]] | None = None,
    shots: int | None = None,
    seed: int = 0,
    val_share: float = 0.2,
) -> Dataset:
    """Make a data set of arrays.

    Args:
        images: N pictures, uint8 or floats in [0, 1]: [N, H, W, 3], [N, 3, H, W] or [N, H, W].
        labels: class indices [N], each in 0 .. K-1.
        classes: K names; by default the numbers themselves.
        val: images and labels of the validation split; None draws it.
        test: images and labels of the test split; None draws it.
        shots: training images per class; None uses all.
        seed: decides which images are drawn.
        val_share: share of each class of train that becomes the validation split where none is given.

    Raises:
        DataError: shapes, types or labels that do not fit, or too few images in a class.

    Example:
        >>> import numpy as np
        >>> data = from_arrays(np.zeros((12, 8, 8, 3), np.uint8), np.arange(12) % 2, ["cat", "dog"])
        >>> len(data.train), len(data.val), len(data.test)
        (8, 2, 2)
    """
    train = _labels(labels)
    if classes is None:
        classes = [str(label) for label in range(int(train.max(initial=-1)) + 1)]

    def split(name: str, pair: tuple[NDArray[Any], Sequence[int] | NDArray[Any]] | None) -> Split | None:
        if pair is None:
            return None
        return Split(name, Arrays(np.asarray(pair[0]), f"{name} array"), _labels(pair[1]), tuple(classes))

    whole = Split("train", Arrays(np.asarray(images), "train array"), train, tuple(classes))
    options = LoadOptions(shots, seed, val_share, tuple(classes))
    return assemble("arrays", whole, split("val", val), split("test", test), options)


def _labels(labels: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    values = np.asarray(labels)
    if values.ndim != 1 or not (np.issubdtype(values.dtype, np.integer) or not len(values)):
        raise DataError(f"expected labels as N integers, found {values.dtype} of shape {list(values.shape)}")
    return values.astype(np.int64)
