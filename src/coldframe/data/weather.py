"""Weather that is laid over a picture: a plasma for fog, flakes for snow, and frost that is grown, not photographed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldframe.data.filters import Floats, gaussian, motion_blur, zoom

FROST_MEAN, FROST_SPREAD = 0.5, 0.2
"""Brightness of a frost layer, in units of [0, 1]."""
_ICE = np.array([0.94, 1.0, 1.06], dtype=np.float32)
"""Frost is a little blue; R, G, B."""
_DIRECTIONS = 7


def plasma(size: int, decay: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """Return a cloud of values in [0, 1], size x size: midpoint displacement on a torus of the next power of two.

    Every level halves the step between known points and divides the width of the random displacement by ``decay`` squared,
    which is what the released code of ImageNet-C does by multiplying its displacement with itself.

    Args:
        size: S, pixels.
        decay: above 1; the smaller, the rougher.
        draw: the random numbers.
    """
    side = 1 << max(1, (size - 1).bit_length())
    cloud = np.zeros((1, 1))
    width = 1.0
    while len(cloud) < side:
        n = len(cloud)
        corners = cloud + np.roll(cloud, -1, 1)
        centres = (corners + np.roll(corners, -1, 0)) / 4 + width * draw.uniform(-1, 1, (n, n))
        tops = (cloud + np.roll(cloud, -1, 1) + centres + np.roll(centres, 1, 0)) / 4 + width * draw.uniform(-1, 1, (n, n))
        lefts = (cloud + np.roll(cloud, -1, 0) + centres + np.roll(centres, 1, 1)) / 4 + width * draw.uniform(-1, 1, (n, n))
        finer = np.empty((2 * n, 2 * n))
        finer[::2, ::2], finer[1::2, 1::2], finer[::2, 1::2], finer[1::2, ::2] = cloud, centres, tops, lefts
        cloud, width = finer, width / decay**2
    cloud -= cloud.min()
    return np.asarray((cloud / cloud.max())[:size, :size])


def flakes(size: int, values: tuple[float, ...], draw: np.random.Generator) -> Floats:
    """Return a layer of blown snow [S, S] in [0, 1].

    Args:
        size: S, pixels.
        values: mean and standard deviation of the noise, its enlargement, the threshold of a flake, and the radius and the
            width of the blur, in pixels.
        draw: the random numbers.
    """
    mean, spread, enlarged, threshold, radius, width = values
    layer = zoom(draw.normal(mean, spread, (size, size)).astype(np.float32), max(1.0, enlarged))
    layer[layer < threshold] = 0
    return motion_blur(np.clip(layer, 0, 1), radius, width, draw.uniform(-135, -45))


def frost(size: int, draw: np.random.Generator) -> Floats:
    """Return a layer of frost [S, S, 3] in [0, 1]: a cloudy film with needles of ice that grow in a few directions.

    The released benchmark lays photographs of frosted glass over the picture, which are not shipped here. This layer has
    their looks and a brightness that is fixed, so accuracies under it are not comparable with published ones.

    Args:
        size: S, pixels; the needles grow with it.
        draw: the random numbers.
    """
    film = np.abs(2 * plasma(size, 1.35, draw) - 1)  # ridges of the cloud are the veins of the ice
    film = (1 - film) ** 2
    needles = np.zeros((size, size), dtype=np.float32)
    first = draw.uniform(0, 180)
    for direction in range(_DIRECTIONS):
        seeds = (draw.random((size, size)) < 0.012).astype(np.float32)
        angle = first + 360 * direction / _DIRECTIONS + draw.normal(0, 6)
        length = size * draw.uniform(0.04, 0.10)
        needles = np.maximum(needles, motion_blur(seeds, length, length, angle) * length)
    needles = gaussian(needles, max(0.35, size / 448))
    patches = plasma(size, 1.8, draw)
    layer = 0.9 * film + 0.8 * patches * np.clip(needles, 0, 1.5)
    layer = FROST_MEAN + FROST_SPREAD * (layer - layer.mean()) / max(float(layer.std()), 1e-6)
    return np.asarray(np.clip(layer[..., None] * _ICE, 0, 1), dtype=np.float32)
