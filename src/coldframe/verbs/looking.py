"""One look at every picture of a data set: what is compared afterwards, without the pictures."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldframe.data.base import Images
from coldframe.measures.repeats import SIDE

_LOOKED = 128
"""Rows and columns of a picture from which the spread of its pixels is told, about."""


@dataclass
class Looked:
    """What one look at every picture gives.

    Args:
        copies: small copies [N, S, S, 3].
        digests: of the pixels.
        sizes: width and height [N, 2].
        borders: mean and standard deviation of the border's colours [N, 6].
        spread: standard deviation of the pixels themselves [N], of 255, as far as every n-th row and column tells.
    """

    copies: NDArray[np.uint8]
    digests: list[str]
    sizes: NDArray[np.int64]
    borders: NDArray[np.float64]
    spread: NDArray[np.float64]


def look(images: Images) -> Looked:
    """Open every picture once."""
    n = len(images)
    copies = np.zeros((n, SIDE, SIDE, 3), dtype=np.uint8)
    sizes, borders, digests = np.zeros((n, 2), dtype=np.int64), np.zeros((n, 6)), [""] * n
    spread = np.zeros(n)

    def one(row: int) -> None:
        image = images.open(row)
        pixels = np.asarray(image)  # [H, W, 3]
        digests[row] = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        copies[row] = np.asarray(image.resize((SIDE, SIDE), 4))
        sizes[row] = image.size
        spread[row] = pixels[:: max(1, pixels.shape[0] // _LOOKED), :: max(1, pixels.shape[1] // _LOOKED)].std()
        small = copies[row].astype(np.float64)
        edge = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
        borders[row] = [*edge.mean(0), *edge.std(0)]

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(one, range(n)):
            pass
    return Looked(copies, digests, sizes, borders, spread)
