"""Small data sets in every layout, for tests. The red value of a picture is its class, the green its number there."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from coldframe.data.base import Dataset

CLASSES = ("cat", "dog", "hen")
PER_CLASS = 6


def picture(label: int, number: int) -> Image.Image:
    return Image.new("RGB", (5, 4), (40 * label + 10, number, 77))


def stored(label: int, number: int) -> bytes:
    held = io.BytesIO()
    picture(label, number).save(held, "PNG")
    return held.getvalue()


def save(path: Path, label: int, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(label, number).save(path, "PNG")
    return path


def all_rows() -> list[tuple[int, int]]:
    return [(label, number) for label in range(len(CLASSES)) for number in range(PER_CLASS)]


def flat(folder: Path) -> list[tuple[str, int]]:
    """Write the images into one folder; return (file name, class)."""
    return [(save(folder / f"i{label}{number}.png", label, number).name, label) for label, number in all_rows()]


def split_of(number: int) -> str:
    return "test" if number == 0 else "val" if number == 1 else "train"


def array(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.stack([np.asarray(picture(label, number)) for label, number in rows])


def shard(path: Path, rows: list[tuple[int, int]], ending: str = "cls") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for label, number in rows:
            text = {"cls": str(label), "txt": CLASSES[label], "json": json.dumps({"label": CLASSES[label]})}[ending]
            for kind, content in (("png", stored(label, number)), (ending, text.encode())):
                member = tarfile.TarInfo(f"{label}{number}.{kind}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def check(data: Dataset, classes: tuple[str, ...] = CLASSES, *, n: int = len(CLASSES) * PER_CLASS) -> None:
    """Assert that every picture has the label that its pixels say, and that none is lost or twice."""
    assert data.classes == classes
    seen = []
    for split in (data.train, data.val, data.test):
        for index, label in enumerate(split.labels):
            red, green, _ = split.images.open(index).getpixel((0, 0))  # type: ignore[misc]
            assert red == 40 * label + 10
            seen.append((red, green))
    assert len(set(seen)) == len(seen) == n


def two_classes(root: Path, *, bad: bool) -> str:
    """Write two classes of 10 small pictures, one of them damaged."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for number in range(20):
            place = root / split / "ab"[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(place / f"{number:02}.png")
    if bad:
        (root / "test" / "b" / "99.png").write_bytes(b"no picture")
    return f"folder:{root}"
