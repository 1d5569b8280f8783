"""The pictures that pocket is trained on: the training images of CIFAR-10 and CIFAR-100 without those that are held out."""

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
HELD_OUT = {"cifar10": 500, "cifar100": 20}
"""Training images of each class that are never trained on."""
LABEL = {"cifar10": "label", "cifar100": "fine_label"}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COARSE: dict[str, tuple[str, ...]] = {
    "aquatic mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit and vegetables": ("apple", "mushroom", "orange", "pear", "sweet pepper"),
    "household electrical devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large man-made outdoor things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large natural outdoor scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large omnivores and herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple tree", "oak tree", "palm tree", "pine tree", "willow tree"),
    "vehicles 1": ("bicycle", "bus", "motorcycle", "pickup truck", "train"),
    "vehicles 2": ("lawn mower", "rocket", "streetcar", "tank", "tractor"),
}
"""CIFAR-100's twenty coarse classes and the five fine ones of each."""
FINE = tuple(sorted(name for group in COARSE.values() for name in group))
NAMES = (*CLASSES, *FINE)
"""All 110 classes: CIFAR-10's, then CIFAR-100's. A label is a place in this list."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures in memory.

    Args:
        pixels: [N, 3, S, S], uint8.
        labels: places in :data:`NAMES` [N], int64.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: NDArray[np.int64]) -> Pictures:
        """Return some of the pictures."""
        return Pictures(self.pixels[rows], self.labels[rows])


def held_out(labels: Sequence[int], per_class: int = HELD_OUT["cifar10"]) -> list[int]:
    """Return the rows of a data set's training images that pocket never sees: as many of each class, drawn by seed 42."""
    of = np.asarray(labels)
    rows = [np.flatnonzero(of == label) for label in range(int(of.max()) + 1)]
    return sorted(
        int(mine[i]) for label, mine in enumerate(rows) for i in shuffled(SEED, f"held out {label}", len(mine))[:per_class]
    )


def read_both(root: Path, split: str, size: int, cache: Path | None = None) -> Pictures:
    """Return one split of CIFAR-10 followed by that of CIFAR-100; arguments as of :func:`read`."""
    parts = [read(root, name, split, size, cache) for name in HELD_OUT]
    return Pictures(np.concatenate([p.pixels for p in parts]), np.concatenate([p.labels for p in parts]))


def read(root: Path, name: str, split: str, size: int, cache: Path | None = None) -> Pictures:
    """Return ``"train"``, ``"val"`` (the held-out rows) or ``"test"`` of a data set at ``size`` pixels (bicubic).

    Args:
        root: the folder that holds ``cifar10/*.parquet`` and ``cifar100/*.parquet``.
        name: ``"cifar10"`` or ``"cifar100"``.
        split: which pictures.
        size: S.
        cache: a folder for the decoded pixels, or None to decode each time.
    """
    import pyarrow.parquet as pq

    path = root / name / f"{'test' if split == 'test' else 'train'}-00000-of-00001.parquet"
    if not path.is_file():
        raise DataError(f"expected {name} as parquet in {path}, found no such file; set COLDFRAME_DATA to its folder")
    table = pq.read_table(path)
    labels = np.asarray(table[LABEL[name]].to_pylist(), dtype=np.int64)
    key = hashlib.sha256(f"{name}:{path.name}:{path.stat().st_size}:{size}".encode()).hexdigest()[:16]
    kept = cache / f"pixels-{key}.npy" if cache is not None else None
    if kept is not None and kept.is_file():
        pixels = np.load(kept)
    else:
        pixels = np.stack([_decoded(item["bytes"], size) for item in table["img"].to_pylist()])
        if kept is not None:
            from coldframe.files import replacing

            with replacing(kept, suffix=".npy") as temporary:
                np.save(temporary, pixels)
    pictures = Pictures(pixels, labels + (len(CLASSES) if name == "cifar100" else 0))
    if split == "test":
        return pictures
    away = np.zeros(len(labels), dtype=bool)
    away[held_out(labels.tolist(), HELD_OUT[name])] = True
    return pictures.subset(np.flatnonzero(away if split == "val" else ~away))


def _decoded(content: bytes, size: int) -> NDArray[np.uint8]:
    with picture(io.BytesIO(content)) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))  # [3, S, S]
