"""The pictures that pocket is trained on: CIFAR-10's training images without 5,000 that are held out, and their colours."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coldframe.data.decode import picture
from coldframe.data.splits import shuffled
from coldframe.errors import DataError

SEED = 42
HELD_OUT = 500
"""Training images of each class that are never trained on."""
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (190, 40, 40),
    "orange": (225, 130, 45),
    "yellow": (225, 205, 70),
    "green": (70, 130, 55),
    "blue": (60, 100, 190),
    "purple": (120, 60, 140),
    "pink": (225, 150, 170),
    "brown": (110, 75, 45),
    "black": (20, 20, 20),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
}
"""Colour words and the sRGB colour each stands for; a pixel has the word of the nearest one in CIELAB."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures in memory with what the captions say about them.

    Args:
        pixels: [N, 3, S, S], uint8.
        labels: class indices [N], int64.
        channel: the channel (0 red, 1 green, 2 blue) with the largest mean [N], or -1 where the lead is under
            :data:`LEAD`.
        colour: the most frequent palette word [N], or -1 where it covers under :data:`SHARE` of the pixels.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    channel: NDArray[np.int64]
    colour: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: NDArray[np.int64]) -> Pictures:
        """Return some of the pictures."""
        return Pictures(self.pixels[rows], self.labels[rows], self.channel[rows], self.colour[rows])


LEAD = 8.0
"""By how many of 255 steps the strongest channel's mean must lead the next for the picture to count as of its colour."""
SHARE = 0.3


def held_out(labels: Sequence[int]) -> list[int]:
    """Return the rows of CIFAR-10's training images that pocket never sees: 500 a class, drawn by seed 42."""
    of = np.asarray(labels)
    rows = [np.flatnonzero(of == label) for label in range(int(of.max()) + 1)]
    return sorted(
        int(mine[i]) for label, mine in enumerate(rows) for i in shuffled(SEED, f"held out {label}", len(mine))[:HELD_OUT]
    )


def read(root: Path, split: str, size: int, cache: Path | None = None) -> Pictures:
    """Return ``"train"``, ``"val"`` (the held-out rows) or ``"test"`` of CIFAR-10 at ``size`` pixels (bicubic).

    Args:
        root: the folder that holds ``cifar10/*.parquet``.
        split: which pictures.
        size: S.
        cache: a folder for the decoded pixels, or None to decode each time.
    """
    import pyarrow.parquet as pq

    path = root / "cifar10" / f"{'test' if split == 'test' else 'train'}-00000-of-00001.parquet"
    if not path.is_file():
        raise DataError(f"expected CIFAR-10 as parquet in {path}, found no such file; set COLDFRAME_DATA to its folder")
    table = pq.read_table(path)
    labels = np.asarray(table["label"].to_pylist(), dtype=np.int64)
    key = hashlib.sha256(f"{path.name}:{path.stat().st_size}:{size}".encode()).hexdigest()[:16]
    kept = cache / f"pixels-{key}.npy" if cache is not None else None
    if kept is not None and kept.is_file():
        pixels = np.load(kept)
    else:
        pixels = np.stack([_decoded(item["bytes"], size) for item in table["img"].to_pylist()])
        if kept is not None:
            from coldframe.files import replacing

            with replacing(kept, suffix=".npy") as temporary:
                np.save(temporary, pixels)
    pictures = Pictures(pixels, labels, strongest_channel(pixels), commonest_colour(pixels))
    if split == "test":
        return pictures
    away = np.zeros(len(labels), dtype=bool)
    away[held_out(labels.tolist())] = True
    return pictures.subset(np.flatnonzero(away if split == "val" else ~away))


def _decoded(content: bytes, size: int) -> NDArray[np.uint8]:
    with picture(io.BytesIO(content)) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))  # [3, S, S]


def strongest_channel(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the channel with the largest mean [N], -1 where its lead over the next is under :data:`LEAD`."""
    means = pixels.mean(axis=(2, 3))  # [N, 3]
    ordered = np.sort(means, axis=1)
    return np.where(ordered[:, 2] - ordered[:, 1] >= LEAD, means.argmax(axis=1), -1)


def commonest_colour(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the palette word of most pixels [N], -1 where it covers under :data:`SHARE` of them."""
    levels = (np.arange(32) * 8 + 4).astype(np.float64)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)  # [32768, 3]
    anchors = _lab(np.asarray(list(PALETTE.values()), dtype=np.float64))
    nearest = ((_lab(cube)[:, None] - anchors[None]) ** 2).sum(axis=-1).argmin(axis=1)  # [32768]
    result = np.empty(len(pixels), dtype=np.int64)
    for start in range(0, len(pixels), 1000):
        code = (pixels[start : start + 1000] >> 3).astype(np.int64)
        words = nearest[(code[:, 0] << 10) | (code[:, 1] << 5) | code[:, 2]].reshape(len(code), -1)
        counts = np.stack([(words == word).mean(axis=1) for word in range(len(PALETTE))], axis=1)  # [n, words]
        result[start : start + 1000] = np.where(counts.max(axis=1) >= SHARE, counts.argmax(axis=1), -1)
    return result


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map sRGB in 0 .. 255 to CIELAB (D65)."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
