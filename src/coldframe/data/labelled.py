"""Loose images whose ImageNet-style labels are known, for measuring a classifier that is already trained.

Two layouts: files ``WORD_anything.jpg`` beside a ``classes.json`` that maps each WORD to ``[class index, name]`` or to the
index alone, or one folder per class. Folders carry such a WORD, or the class's name as the model says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldframe.data.base import OnError
from coldframe.data.folder import SUFFIXES, Files
from coldframe.data.places import readable
from coldframe.errors import DataError
from coldframe.files import expanded
from coldframe.files.reading import read

CODES = "classes.json"


def known_labels(
    folder: str | Path, classes: Sequence[str], on_error: OnError = "raise"
) -> tuple[Files, NDArray[np.int64]]:
    """Return the images of a folder with the class index of each.

    Args:
        folder: see the module.
        classes: K names of the model's outputs.
        on_error: what to do with images that do not decode: ``"raise"`` or ``"skip"``.

    Returns:
        The files and their labels [N].

    Raises:
        Unreadable: an image does not decode.
        DataError: there is no image, or a label that the model's classes do not hold.
    """
    folder = expanded(folder)
    if not folder.is_dir():
        raise DataError(f"expected a folder of labelled images, found nothing at {folder}; check the path")
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not found:
        raise DataError(f"expected images in {folder}, found none; check the path")
    coded = (folder / CODES).is_file()
    known = _codes(folder / CODES) if coded else {}
    names = [_folded(name) for name in classes]
    # A name that two classes share says neither.
    known = {name: index for index, name in enumerate(names) if names.count(name) == 1} | known
    labels = []
    for file in found:
        flat = file.parent == folder
        word = _folded(file.stem.partition("_")[0] if flat else file.parent.name)
        index = known.get(word) if coded or not flat else None
        if index is None or not 0 <= index < len(classes):
            ways = f"name folders by class, or give {CODES} with WORD -> class index beside files named WORD_anything"
            raise DataError(f"expected {file.name} to belong to one of the model's {len(classes)} classes, found none; {ways}")
        labels.append(index)
    kept, left = readable(found, on_error)
    good = [str(file) not in left for file in found]
    return Files(tuple(kept)), np.array(labels, dtype=np.int64)[good]


def _codes(path: Path) -> dict[str, int]:
    content = read(path, dict[str, int | list[int | str]], remedy="map each word to a class index or to [index, name]")
    known = {word: entry[0] if isinstance(entry, list) and entry else entry for word, entry in content.items()}
    if not known or not all(isinstance(index, int) for index in known.values()):
        raise DataError(f"expected {path} to map each word to a class index or to [index, name], found something else")
    return {_folded(word): index for word, index in known.items() if isinstance(index, int)}


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
