"""Make pictures with several labels each from the bundled photographs, and the table that says which.

    python examples/several_labels.py sheets
    coldframe compare --data 'csv:sheets/labels.csv?label=tags' --methods zero-shot,linear-probe

A picture shows one to three photographs of ``mini:caltech7`` beside each other; its labels are their classes. Training and test
pictures are made of training and test photographs.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from coldframe import load_dataset

SIDE = 96
"""Side of a photograph in pixels."""


def make(folder: Path, train: int = 300, test: int = 120) -> Path:
    """Write the pictures and ``labels.csv``; return its path."""
    data, generator = load_dataset("mini:caltech7"), np.random.default_rng(0)
    rows = [("file", "tags", "split")]
    for split, count in ((data.train, train), (data.test, test)):
        (folder / split.name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            chosen = generator.choice(len(split), generator.integers(1, 4), replace=False)
            sheet = Image.new("RGB", (2 * SIDE, 2 * SIDE), (128, 128, 128))
            for place, row in enumerate(chosen.tolist()):
                sheet.paste(split.images.open(row).resize((SIDE, SIDE)), (SIDE * (place % 2), SIDE * (place // 2)))
            name = f"{split.name}/{number}.png"
            sheet.save(folder / name)
            rows.append((name, "|".join(sorted({split.classes[split.labels[row]] for row in chosen})), split.name))
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
