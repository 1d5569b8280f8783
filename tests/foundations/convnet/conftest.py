"""Pictures that differ by class: a square of a colour of its own on noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.foundations.mlp.pictures import Examples


def coloured_squares(n: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 120, (n, 3, 32, 32))
    for picture, label in zip(pixels, labels, strict=True):
        picture[label, 8:24, 8:24] += 120
    return Examples(pixels.astype(np.uint8).reshape(n, -1), labels.astype(np.int64), ("red", "green", "blue"))


@pytest.fixture
def squares() -> Examples:
    return coloured_squares(60)


@pytest.fixture
def unseen() -> Examples:
    return coloured_squares(30, seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return the spec of 20 train and 8 test pictures of each of three colours."""
    for part, n in (("train", 60), ("test", 24)):
        found = coloured_squares(n, seed=n)
        for i, (row, label) in enumerate(zip(found.x, found.labels, strict=True)):
            path = tmp_path / "pictures" / part / found.classes[label] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(row.reshape(3, 32, 32).transpose(1, 2, 0)).save(path)
    return f"folder:{tmp_path / 'pictures'}"
