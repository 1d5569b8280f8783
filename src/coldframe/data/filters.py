"""What corruptions are built from: borders, blurs, zooms and warps of one picture, in NumPy alone.

Pictures are float32 [H, W, C]; maps without channels are [H, W].
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Border = Literal["edge", "mirror", "reflect"]
"""What lies outside a row abcd: ``edge`` aaa|abcd|ddd, ``mirror`` dcb|abcd|cba, ``reflect`` cba|abcd|dcb."""


def fold(places: NDArray[np.int64], size: int, border: Border) -> NDArray[np.int64]:
    """Return indices of any value as indices in 0 .. size-1."""
    if border == "edge":
        return np.clip(places, 0, size - 1)
    if border == "mirror":
        period = max(1, 2 * (size - 1))
        inside = places % period
        return np.minimum(inside, period - inside) if size > 1 else inside * 0
    inside = places % (2 * size)
    return np.minimum(inside, 2 * size - 1 - inside)


@lru_cache(maxsize=64)
def blur_matrix(size: int, sigma: float, reach: int, border: Border) -> Floats:
    """Return G [size, size] so that G x is a Gaussian blur of the columns x, cut off at ``reach`` pixels.

    One matrix serves any width at the same price: a blur as wide as the picture is a matrix product like any other.
    """
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((size, size))
    rows = np.repeat(np.arange(size), len(offsets))
    columns = fold((np.arange(size)[:, None] + offsets).ravel(), size, border)
    np.add.at(matrix, (rows, columns), np.tile(weights, size))
    return matrix.astype(np.float32)


def gaussian(picture: Floats, sigma: float, *, truncate: float = 4.0, border: Border = "edge") -> Floats:
    """Return a Gaussian blur of standard deviation ``sigma`` pixels, cut off at ``truncate`` of them."""
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return picture
    down = blur_matrix(picture.shape[0], sigma, reach, border)
    across = blur_matrix(picture.shape[1], sigma, reach, border)
    blurred = np.tensordot(down, picture, axes=(1, 0))  # [H, W, ...]
    return np.ascontiguousarray(np.moveaxis(np.tensordot(across, blurred, axes=(1, 1)), 0, 1))


@lru_cache(maxsize=32)
def disc(radius: float, alias: float) -> Floats:
    """Return the kernel of a lens out of focus: a disc of sum 1, its edge softened by ``alias`` pixels [k, k]."""
    half, reach = (8, 1) if radius <= 8 else (int(np.ceil(radius)), 2)
    places = np.arange(-half, half + 1)
    aliased = ((places[:, None] ** 2 + places**2) <= radius**2).astype(np.float32)
    soft = blur_matrix(len(places), alias, reach, "mirror")
    return np.asarray(soft @ (aliased / aliased.sum()) @ soft.T, dtype=np.float32)


def convolve(picture: Floats, kernel: Floats) -> Floats:
    """Return the picture [H, W, C] filtered with a symmetric kernel [k, k] of odd side, the borders mirrored."""
    half = len(kernel) // 2
    height, width = picture.shape[:2]
    rows = fold(np.arange(-half, height + half), height, "mirror")
    columns = fold(np.arange(-half, width + half), width, "mirror")
    shape = (len(rows), len(columns))
    spectrum = np.fft.rfft2(picture[rows][:, columns], axes=(0, 1)) * np.fft.rfft2(kernel, s=shape)[..., None]
    whole = np.fft.irfft2(spectrum, s=shape, axes=(0, 1))
    return whole[2 * half : 2 * half + height, 2 * half : 2 * half + width].astype(np.float32)


def motion_blur(picture: Floats, radius: float, sigma: float, angle: float) -> Floats:
    """Return a blur along one direction, as ImageMagick computes it: half a Gaussian over 2 ceil(radius) + 1 steps.

    Args:
        picture: [H, W] or [H, W, C].
        radius: pixels.
        sigma: pixels.
        angle: degrees; 0 is to the right, 90 is down.
    """
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    down = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(np.int64)
    right = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(np.int64)
    reach = int(max(np.abs(down).max(), np.abs(right).max()))
    height, width = picture.shape[:2]
    padded = np.pad(picture, [(reach, reach), (reach, reach)] + [(0, 0)] * (picture.ndim - 2), mode="edge")
    total = np.zeros_like(picture)
    for weight, y, x in zip(weights, down + reach, right + reach, strict=True):
        total += weight * padded[y : y + height, x : x + width]
    return total


def zoom(picture: Floats, factor: float) -> Floats:
    """Return the middle of the picture enlarged by ``factor`` of 1 or more, bilinear, at the picture's own size.

    The middle ceil(size / factor) pixels become round of that times ``factor``, corner on corner; what is too much is cut.
    """
    rows, down = _stretched(picture.shape[0], factor)
    columns, across = _stretched(picture.shape[1], factor)
    extra = (1,) * (picture.ndim - 2)
    tall = picture[rows] + down.reshape(-1, 1, *extra) * (picture[rows + 1] - picture[rows])
    steps = across.reshape(1, -1, *extra)
    return np.asarray(tall[:, columns] + steps * (tall[:, columns + 1] - tall[:, columns]), dtype=np.float32)


@lru_cache(maxsize=256)
def _stretched(size: int, factor: float) -> tuple[NDArray[np.int64], Floats]:
    """Return for every place the source pixel before it, and how far it is on the way to the next one."""
    crop = int(np.ceil(size / factor))
    first, large = (size - crop) // 2, round(crop * factor)
    cut = (large - size) // 2
    places = first + (np.arange(size) + cut) * ((crop - 1) / max(large - 1, 1))
    before = np.clip(np.floor(places).astype(np.int64), 0, size - 2)
    return before, (places - before).astype(np.float32)


def warp(picture: Floats, rows: NDArray[np.float64], columns: NDArray[np.float64], border: Border) -> Floats:
    """Return the picture [H, W, C] read between its pixels at ``rows`` and ``columns`` [h, w], bilinear."""
    height, width = picture.shape[:2]
    top, left = np.floor(rows), np.floor(columns)
    down, across = (rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32)
    y, x = top.astype(np.int64), left.astype(np.int64)
    y0, y1 = fold(y, height, border), fold(y + 1, height, border)
    x0, x1 = fold(x, width, border), fold(x + 1, width, border)
    upper = picture[y0, x0] + across * (picture[y0, x1] - picture[y0, x0])
    lower = picture[y1, x0] + across * (picture[y1, x1] - picture[y1, x0])
    return np.asarray(upper + down * (lower - upper), dtype=np.float32)
