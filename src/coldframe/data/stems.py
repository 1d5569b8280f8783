"""What belongs together by its name or its camera: stems of file names, and pictures taken in one minute."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from coldframe.data.decode import FORMATS

_TAIL = re.compile(r"[-_. ]*(?:frame|img|image|slice|crop|patch|view|aug|copy)?[-_. ]*\(?\d+\)?$", re.IGNORECASE)
_MAKE, _MODEL, _TIME = 271, 272, 306
_EXIF, _TAKEN = 0x8769, 36867


def stem_of(name: str) -> str:
    """Return the name of a file without its ending and the numbers at its end; empty where nothing tells is left.

    Example:
        >>> stem_of("a/video12_frame003.jpg"), stem_of("patient7-slice-20.png"), stem_of("0001.jpg"), stem_of("rose_12.jpg")
        ('video12', 'patient7', '', 'rose')
    """
    bare = name.rpartition("/")[2].rpartition(".")[0]
    parts = re.split(r"[-_. ]", bare)
    found = _TAIL.sub("", bare)
    return found if len(parts) > 1 and any(letter.isalpha() for letter in found) else ""


def taken(path: str) -> str:
    """Return camera and minute of a picture by its EXIF data; empty where it has none or is no file."""
    if not Path(path).is_file():
        return ""
    try:
        with Image.open(path, formats=FORMATS) as image:
            told = image.getexif()
            when = told.get_ifd(_EXIF).get(_TAKEN) or told.get(_TIME)
            camera = " ".join(str(told.get(tag) or "").strip() for tag in (_MAKE, _MODEL)).strip()
    except (OSError, ValueError, SyntaxError):
        return ""
    return f"{camera} {str(when)[:16]}".strip() if when else ""


def leaking(keys: Sequence[str], splits: Sequence[str], labels: Sequence[int]) -> dict[str, int]:
    """Return the keys that test and another split share, with how many test images each has.

    Keys that tell classes and nothing more (one a class, or one for most images of one, with or without a key) are none: names
    such as ``rose_12.jpg`` say what is in the picture, not which pictures belong together.
    """
    held: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    classes: dict[int, dict[str, int]] = {}
    for key, split, label in zip(keys, splits, labels, strict=True):
        if key:
            held.setdefault(key, set()).add(split)
            count[key] = count.get(key, 0) + (split == "test")
            classes.setdefault(label, {})[key] = classes.setdefault(label, {}).get(key, 0) + 1
    sizes = Counter(labels)
    dull = {key for label, mine in classes.items() for key, number in mine.items() if number > 0.5 * sizes[label]}
    return {key: count[key] for key, where in held.items() if "test" in where and len(where) > 1 and key not in dull}
