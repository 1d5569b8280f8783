"""What a method answered for each image, as a file: ``predictions.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldframe import files
from coldframe.data.base import Split
from coldframe.data.load import split_spec

COLUMNS = ("path", "true", "predicted", "probability", "margin", "correct")


def relative(name: str, spec: str) -> str:
    """Return an image's name as its path below the data's folder, with ``/`` between; other names stay.

    Example:
        >>> relative("flowers/rose/1.jpg", "folder:flowers"), relative("row 3", "parquet:a.parquet")
        ('rose/1.jpg', 'row 3')
        >>> relative("cifar/test.parquet row 7", "parquet:cifar?label=fine")
        'test.parquet row 7'
        >>> relative("photos/cat_1.jpg", "folder:photos?pattern={class}_*")
        'cat_1.jpg'
    """
    for part in split_spec(spec):
        kind, colon, place = part.partition(":")
        place = place.rpartition("?")[0] or place if kind in ("folder", "parquet") and not files.exists(place) else place
        root = files.expanded(place if colon and kind in ("folder", "parquet") else part)
        if Path(name).is_relative_to(root):
            return Path(name).relative_to(root).as_posix()
    return name


def predictions_csv(split: Split, probabilities: NDArray[np.float32], spec: str) -> str:
    """Return a line per image: path, true and predicted class, its probability, the margin to the second, whether it is right.

    Args:
        split: N images with their labels.
        probabilities: [N, K].
        spec: the data's, for paths below its folder.
    """
    lines: list[tuple[object, ...]] = [COLUMNS]
    ordered = np.sort(probabilities, axis=1)
    taken = probabilities.argmax(1)
    for row, (label, answer) in enumerate(zip(split.labels.tolist(), taken.tolist(), strict=True)):
        margin = ordered[row, -1] - (ordered[row, -2] if probabilities.shape[1] > 1 else 0)
        name = relative(split.images.name(row), spec)
        numbers = f"{ordered[row, -1]:.6f}", f"{margin:.6f}"
        lines.append((name, split.classes[label], split.classes[answer], *numbers, str(label == answer).lower()))
    return files.as_csv(lines)
