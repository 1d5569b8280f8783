"""The 15 test corruptions of ImageNet-C at five severities, on pictures of any size, the same for everyone who asks.

    corrupt(pixels, "fog", 3, digest=split.images.digest(7))     # uint8 [3, S, S] -> uint8 [3, S, S]

What is drawn at random is f(seed, digest of the image, corruption): every method sees the same picture, in any order and
any batch, and the severities of one corruption share one draw. They are applied to the pixels that the model is given, after
resizing and cropping, as the makers of ImageNet-C did at 224 pixels; :mod:`coldframe.data.severities` says what other
sizes get. Where this differs from the released benchmark: frost is grown instead of photographed
(:func:`coldframe.data.weather.frost`), values are rounded instead of cut to whole numbers, and the result is not
compressed as a JPEG of quality 85 on top.

Source:
    Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations (2019).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coldframe.data import filters, weather
from coldframe.data.filters import Floats
from coldframe.data.severities import GROUPS, LEVELS, NAMES, Values, strengths
from coldframe.errors import InputError

__all__ = ["GROUPS", "LEVELS", "NAMES", "corrupt", "corrupt_batch", "generator", "strengths"]

SMALLEST = 8
"""Least side of a picture: below it the blurs have nothing to blur."""
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
Pixels = NDArray[np.uint8]


def generator(seed: int, digest: str, name: str) -> np.random.Generator:
    """Return the random numbers of one image and one corruption."""
    key = hashlib.sha256(f"{seed}:{name}:{digest}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:16], "little"))


def corrupt(pixels: Pixels, name: str, severity: int, *, digest: str, seed: int = 0) -> Pixels:
    """Return one corrupted picture.

    Args:
        pixels: uint8 [3, S, S], 0 .. 255.
        name: one of ``NAMES``.
        severity: 1 to 5.
        digest: what stands for the image's content, see :meth:`coldframe.data.base.Images.digest`.
        seed: another seed draws other noise.

    Returns:
        uint8 [3, S, S].

    Raises:
        InputError: an unknown corruption or severity, or pixels of another shape or type.

    Example:
        >>> grey = np.full((3, 32, 32), 128, np.uint8)
        >>> int(corrupt(grey, "brightness", 1, digest="a").max())
        141
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3 or pixels.shape[1] != pixels.shape[2]:
        raise InputError(f"expected pixels of uint8 [3, S, S] to corrupt, found {pixels.dtype} {list(pixels.shape)}")
    size = pixels.shape[1]
    if size < SMALLEST:
        raise InputError(f"expected pictures of at least {SMALLEST} pixels to corrupt, found {size}")
    values = strengths(name, severity, size)
    picture = np.ascontiguousarray(pixels.transpose(1, 2, 0)).astype(np.float32) / np.float32(255)  # [S, S, 3]
    changed = _CORRUPTIONS[name](picture, values, generator(seed, digest, name))
    return np.ascontiguousarray(_as_bytes(changed).transpose(2, 0, 1))


def corrupt_batch(
    pixels: Pixels, name: str, severity: int, *, digests: Sequence[str], seed: int = 0, workers: int = 2
) -> Pixels:
    """Return corrupted pictures [B, 3, S, S], made in threads; see :func:`corrupt`."""
    if len(digests) != len(pixels):
        raise InputError(f"expected one digest a picture, found {len(pixels)} pictures and {len(digests)} digests")

    def one(row: int) -> Pixels:
        return corrupt(pixels[row], name, severity, digest=digests[row], seed=seed)

    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(one, range(len(pixels))))
    return np.stack(done) if done else pixels.copy()


def _as_bytes(picture: Floats) -> Pixels:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _gaussian_noise(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    return x + np.float32(values[0]) * draw.standard_normal(x.shape, dtype=np.float32)


def _shot_noise(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    return (draw.poisson(x * values[0]) / values[0]).astype(np.float32)


def _impulse_noise(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    struck = draw.random(x.shape, dtype=np.float32) < values[0]
    salt = draw.random(x.shape, dtype=np.float32) < 0.5
    return np.where(struck, salt.astype(np.float32), x)


def _defocus_blur(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    return filters.convolve(x, filters.disc(*values))


def _glass_blur(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    """Blur, let every pixel take over a near one, in the released order, and blur again.

    The released code means to exchange the two pixels; as its rows are views, the second is left as it is. The
    benchmark's pictures were made that way, and so are these.
    """
    sigma, far, times = values[0], max(1, round(values[1])), int(values[2])
    size = len(x)
    blurred = np.floor(np.clip(filters.gaussian(x, sigma), 0, 1) * 255) / 255
    source = list(range(size * size))
    places = np.arange(size - far, far, -1)
    rows, columns = (grid.ravel() for grid in np.meshgrid(places, places, indexing="ij"))
    for _ in range(times):
        steps = draw.integers(-far, far, (2, len(rows)))
        here = (rows * size + columns).tolist()
        there = ((rows + steps[0]) * size + columns + steps[1]).tolist()
        for place, other in zip(here, there, strict=True):
            source[place] = source[other]
    return filters.gaussian(blurred.reshape(-1, 3)[source].reshape(x.shape).astype(np.float32), sigma)


def _motion_blur(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    return filters.motion_blur(x, values[0], values[1], draw.uniform(-45, 45))


def _zoom_blur(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    factors = np.arange(1, *values)
    total = x.copy()
    for factor in factors:
        total += filters.zoom(x, float(factor))
    return total / np.float32(len(factors) + 1)


def _snow(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    layer = weather.flakes(len(x), values[:6], draw)[..., None]  # [S, S, 1]
    kept = np.float32(values[6])
    grey = (x @ _GREY)[..., None]
    return np.asarray(kept * x + (1 - kept) * np.maximum(x, 1.5 * grey + 0.5) + layer + layer[::-1, ::-1])


def _frost(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    return np.float32(values[0]) * x + np.float32(values[1]) * weather.frost(len(x), draw)


def _fog(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    brightest = float(x.max())
    cloud = weather.plasma(len(x), values[1], draw)[..., None].astype(np.float32)
    return np.asarray((x + np.float32(values[0]) * cloud) * np.float32(brightest / (brightest + values[0])))


def _brightness(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    """Raise the value of hue, saturation and value: the other two stay when all channels grow by one factor."""
    value = x.max(-1, keepdims=True)
    raised = np.minimum(value + np.float32(values[0]), 1)
    return np.asarray(np.where(value > 0, x * (raised / np.maximum(value, 1e-6)), raised))


def _contrast(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    mean = x.mean((0, 1), keepdims=True)
    return np.asarray((x - mean) * np.float32(values[0]) + mean)


def _elastic(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    """Move three points of the middle square at random, warp the picture with them, then shake it locally."""
    amount, sigma, shift = values
    size = len(x)
    middle, third = size // 2, size // 3
    before = np.array([[middle + third] * 2, [middle + third, middle - third], [middle - third] * 2], dtype=np.float64)
    after = before + draw.uniform(-1, 1, before.shape) * shift
    # Where a pixel of the result comes from: the map that takes the moved points back.
    back = np.linalg.solve(np.c_[after, np.ones(3)], before)  # [3, 2], columns x and y
    rows, columns = np.mgrid[:size, :size].astype(np.float64)
    sources = np.stack([columns, rows, np.ones_like(rows)], -1) @ back  # [S, S, 2]
    x = filters.warp(x, sources[..., 1], sources[..., 0], "mirror")
    jolts = draw.uniform(-1, 1, (2, size, size)).astype(np.float32)
    across, down = (filters.gaussian(jolt, sigma, truncate=3, border="reflect") * amount for jolt in jolts)
    return filters.warp(x, rows + down, columns + across, "reflect")


def _pixelate(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    size, few = len(x), max(1, int(len(x) * values[0]))
    box = Image.Resampling.BOX
    coarse = Image.fromarray(_as_bytes(x)).resize((few, few), box).resize((size, size), box)
    return np.asarray(coarse, dtype=np.float32) / np.float32(255)


def _jpeg(x: Floats, values: Values, draw: np.random.Generator) -> Floats:
    buffer = io.BytesIO()
    Image.fromarray(_as_bytes(x)).save(buffer, "JPEG", quality=int(values[0]))
    with Image.open(buffer, formats=["JPEG"]) as squeezed:
        return np.asarray(squeezed.convert("RGB"), dtype=np.float32) / np.float32(255)


_CORRUPTIONS: dict[str, Callable[[Floats, Values, np.random.Generator], Floats]] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "impulse-noise": _impulse_noise,
    "defocus-blur": _defocus_blur,
    "glass-blur": _glass_blur,
    "motion-blur": _motion_blur,
    "zoom-blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic": _elastic,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
