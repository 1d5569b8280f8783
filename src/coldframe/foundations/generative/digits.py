"""Grey pictures of 28 x 28 pixels, kept in memory as uint8, and their grey levels: MNIST and what looks like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coldframe.data import Dataset, Split, load_dataset
from coldframe.data.base import OnError
from coldframe.errors import DataError, InputError

SIDE = 28
PIXELS = SIDE * SIDE
SPLIT_SEED = 42
"""Draws the validation images, the same for every seed of a run."""
SHORT = {"mnist": "torchvision:MNIST"}
"""Short name -> data source."""


@dataclass(frozen=True, eq=False)
class Digits:
    """N labelled grey pictures.

    Args:
        pixels: uint8 [N, 28, 28], 0 is black.
        labels: class indices, int64 [N].
        classes: K names.

    Raises:
        DataError: the pixels are not uint8 of 28 x 28, or there is not one label per picture.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        check_pixels(self.pixels)
        if self.labels.shape != (len(self.pixels),):
            raise DataError(
                f"expected {len(self.pixels)} labels, found shape {list(self.labels.shape)}; give one for each picture"
            )

    def __len__(self) -> int:
        return len(self.pixels)


def load(data: str, *, download: bool = False, on_error: OnError = "raise") -> Dataset:
    """Load the data that ``data`` names; a tenth of train validates where the data has no validation split.

    Args:
        data: ``mnist`` (short for torchvision:MNIST), or any data source of ``load_dataset``.
        download: whether data that is not on this machine may be fetched.
        on_error: what to do with images that do not decode: ``"raise"`` or ``"skip"``.
    """
    return load_dataset(SHORT.get(data, data), val=0.1, seed=SPLIT_SEED, download=download, on_error=on_error)


def read_all(data: Dataset) -> dict[str, Digits]:
    """Return train, val and test, decoded: 784 bytes per picture."""
    return {split.name: read(split) for split in (data.train, data.val, data.test)}


def read(split: Split) -> Digits:
    """Decode all pictures of a split; colours become their luma, which leaves grey as it is.

    Raises:
        DataError: a picture is not 28 x 28 or does not decode, or there is none.
    """
    if not len(split):
        raise DataError(f"expected pictures in {split.name}, found none; give data with at least one")
    pixels = np.empty((len(split), SIDE, SIDE), dtype=np.uint8)
    for index in range(len(split)):
        picture = split.images.open(index)
        if picture.size != (SIDE, SIDE):
            raise DataError(
                f"expected pictures of {SIDE} x {SIDE} pixels, found {picture.width} x {picture.height} in "
                f"{split.images.name(index)}; resize them, or choose mnist or mini:mnist"
            )
        pixels[index] = np.asarray(picture.convert("L"))
    return Digits(torch.from_numpy(pixels), torch.from_numpy(split.labels), split.classes)


def check_pixels(pixels: Tensor) -> None:
    """Refuse what is not uint8 [N, 28, 28]. Raises :class:`DataError`."""
    if pixels.ndim != 3 or tuple(pixels.shape[1:]) != (SIDE, SIDE):
        raise DataError(
            f"expected pictures of shape [N, {SIDE}, {SIDE}], found {list(pixels.shape)}; resize them"
        )
    if pixels.dtype != torch.uint8:
        raise DataError(f"expected pixels of uint8 from 0 to 255, found {pixels.dtype}; convert them with digits.to_pixels")


def to_pixels(values: Tensor) -> Tensor:
    """Return floats in [0, 1] as the nearest of 256 grey values; uint8 is returned as it is.

    Args:
        values: pictures [N, 28, 28] or [N, 1, 28, 28].

    Returns:
        uint8 [N, 28, 28].

    Raises:
        DataError: another shape or type, or a value outside [0, 1].
    """
    values = values.squeeze(1) if values.ndim == 4 and values.shape[1] == 1 else values
    if values.is_floating_point():
        least, most = (float(edge) for edge in torch.aminmax(values)) if values.numel() else (0.0, 0.0)
        if not (least >= 0 and most <= 1):
            raise DataError(f"expected floats from 0 to 1, found {least:g} to {most:g}; scale them")
        values = (values * 255).round().to(torch.uint8)
    check_pixels(values)
    return values


def to_levels(pixels: Tensor, levels: int) -> Tensor:
    """Return grey levels min(floor(L x), L - 1) with x = pixel / 255 in [0, 1].

    With 16 levels this is the upper four bits, ``pixels >> 4``, and with 256 the pixels themselves.

    Args:
        pixels: uint8 of any shape.
        levels: L, from 2 to 256.

    Returns:
        uint8 of the same shape, 0 .. L-1.

    Raises:
        InputError: ``levels`` is out of range.
        DataError: the pixels are not uint8.
    """
    check_levels(levels)
    if pixels.dtype != torch.uint8:
        raise DataError(f"expected pixels of uint8 from 0 to 255, found {pixels.dtype}; convert them with digits.to_pixels")
    shift = 9 - levels.bit_length()
    if levels == 256 >> shift:
        return pixels >> shift
    table = (torch.arange(256) * levels // 255).clamp(max=levels - 1).to(torch.uint8)
    return table.to(pixels.device)[pixels.int()]


def check_levels(levels: int) -> None:
    """Refuse a number of grey levels that 8 bits do not have. Raises :class:`InputError`."""
    if not 2 <= levels <= 256:
        raise InputError(f"expected 2 to 256 grey levels, found {levels}; 16 is the 4-bit MNIST of the course")
