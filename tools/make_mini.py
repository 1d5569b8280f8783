"""Make the bundled samples from the shared data: ``python tools/make_mini.py [--out FOLDER]``.

Data comes from the folder that ``COLDFRAME_DATA`` names, else ``../shared/data``. The same data and the same Pillow give
the same bytes. CIFAR-10's JPEG bytes are copied as they are; its 2,000 training images are drawn from the 5,000
that the training of ``pocket`` holds out, so that ``pocket`` has seen none of them.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from coldframe.data.splits import shuffled
from coldframe.files import data_root, write_bytes
from coldframe.recipes.pocket.corpus import held_out

SEED = 42
SIDE = 64
"""Shorter side of the Caltech-101 photographs, in pixels."""
QUALITY = 62
"""WebP quality of the Caltech-101 photographs."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CALTECH7 = {
    "airplane": ("airplanes",),
    "automobile": ("car_side",),
    "bird": ("emu", "flamingo", "ibis", "pigeon", "rooster"),
    "cat": ("wild_cat", "Leopards", "cougar_face", "cougar_body"),
    "deer": ("okapi", "gerenuk", "llama", "kangaroo"),
    "dog": ("dalmatian",),
    "ship": ("ketch", "schooner", "ferry"),
}

Item = tuple[int, str, bytes]
"""Label, name in the source, compressed image."""


def balanced(labels: Sequence[int], per_class: int, among: Sequence[int] | None = None) -> list[int]:
    """Return the rows of ``per_class`` images of each class, drawn by :data:`SEED`, in the order of the rows."""
    rows = np.arange(len(labels)) if among is None else np.asarray(among)
    of = np.asarray(labels)[rows]
    chosen: list[int] = []
    for label in sorted(set(of.tolist())):
        mine = rows[of == label]
        chosen += [int(mine[i]) for i in shuffled(SEED, f"mini {label}", len(mine))[:per_class]]
    return sorted(chosen)


def cifar10(root: Path) -> tuple[dict[str, list[Item]], list[str], str]:
    """Return the items of both splits, the class names and the origin."""
    splits = {}
    for split, per_class in (("train", 200), ("test", 100)):
        table = pq.read_table(root / "cifar10" / f"{split}-00000-of-00001.parquet")
        labels = table["label"].to_pylist()
        rows = balanced(labels, per_class, held_out(labels) if split == "train" else None)
        images = table["img"].take(rows).to_pylist()
        splits[split] = [(labels[row], f"{split}/{row}", image["bytes"]) for row, image in zip(rows, images, strict=True)]
    info = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]
    return splits, list(info["names"]), f"CIFAR-10 (JPEG), 200 train and 100 test images a class drawn with seed {SEED}"


def caltech7(root: Path) -> tuple[dict[str, list[Item]], list[str], str]:
    """Return the items of both splits, the class names and the origin."""
    splits: dict[str, list[Item]] = {"train": [], "test": []}
    for split, items in splits.items():
        for label, folders in enumerate(CALTECH7.values()):
            for path in sorted(path for name in folders for path in (root / "caltech101" / split / name).glob("*.jpg")):
                with Image.open(path) as picture:
                    small = picture.convert("RGB")
                scale = SIDE / min(small.size)
                size = (max(SIDE, round(small.width * scale)), max(SIDE, round(small.height * scale)))
                written = io.BytesIO()
                small.resize(size, Image.Resampling.LANCZOS).save(written, "WEBP", quality=QUALITY, method=6)
                items.append((label, f"{split}/{path.parent.name}/{path.name}", written.getvalue()))
    origin = f"Caltech-101, 18 of its classes under 7 words of CIFAR-10, shorter side {SIDE} pixels"
    return splits, list(CALTECH7), origin


def mnist(root: Path) -> tuple[dict[str, list[Item]], list[str], str]:
    """Return the items of both splits, the class names and the origin."""
    splits = {}
    for split, stem, per_class in (("train", "train", 200), ("test", "t10k", 100)):
        folder = root / "MNIST" / "raw"
        labels = np.frombuffer((folder / f"{stem}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8).tolist()
        pixels = np.frombuffer((folder / f"{stem}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
        items = []
        for row in balanced(labels, per_class):
            written = io.BytesIO()
            Image.fromarray(pixels.reshape(-1, 28, 28)[row]).save(written, "PNG", optimize=True)
            items.append((labels[row], f"{split}/{row}", written.getvalue()))
        splits[split] = items
    return splits, list(DIGITS), f"MNIST, 200 train and 100 test images a class drawn with seed {SEED}"


def packed(splits: dict[str, list[Item]], classes: list[str], origin: str) -> bytes:
    """Return the zip file of one sample; the same items give the same bytes."""
    index: dict[str, object] = {"classes": classes, "origin": origin}
    for split, items in splits.items():
        index[split] = {
            "labels": [label for label, _, _ in items],
            "names": [name for _, name, _ in items],
            "bytes": [len(content) for _, _, content in items],
        }
    blob = b"".join(content for items in splits.values() for _, _, content in items)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content, how in (
            ("index.json", json.dumps(index, separators=(",", ":")).encode(), zipfile.ZIP_DEFLATED),
            ("images.bin", blob, zipfile.ZIP_STORED),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, how, 9)
    return written.getvalue()


MAKERS: dict[str, Callable[[Path], tuple[dict[str, list[Item]], list[str], str]]] = {
    "cifar10": cifar10,
    "caltech7": caltech7,
    "mnist": mnist,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parents[1] / "src" / "coldframe" / "data" / "mini"
    parser.add_argument("--out", type=Path, default=here, help="folder of the zip files")
    out = parser.parse_args().out
    root = data_root()
    if root is None:
        raise SystemExit("expected a folder of data in COLDFRAME_DATA, found none; set it")
    for name, make in MAKERS.items():
        content = packed(*make(root))
        write_bytes(out / f"{name}.zip", content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
