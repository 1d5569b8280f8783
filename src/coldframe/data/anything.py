"""Pictures however a person has them at hand: paths, folders, pictures of Pillow, arrays, tensors, and lists of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from coldframe.data.arrays import Arrays
from coldframe.data.base import Images, Split
from coldframe.data.decode import to_rgb
from coldframe.data.folder import Files
from coldframe.data.joined import Joined
from coldframe.data.places import Seen, find_files
from coldframe.errors import DataError

Anything = str | Path | Image.Image | NDArray[Any] | Tensor | Images | Split | Sequence[Any]
"""What :func:`pictures` takes."""
MOST = 100_000_000
"""Files that one prediction may name: pictures are decoded batch by batch, so that their number costs no memory but names."""
WANTED = "a path, a folder, a picture of Pillow, an array, a tensor, or a list of these"


class Pillow:
    """N pictures of Pillow in memory, each turned into 8-bit RGB when asked for."""

    def __init__(self, pictures: Sequence[Image.Image], names: Sequence[str]) -> None:
        self._pictures, self._names = tuple(pictures), tuple(names)

    def __len__(self) -> int:
        return len(self._pictures)

    def open(self, index: int) -> Image.Image:
        return to_rgb(self._pictures[index])

    def digest(self, index: int) -> str:
        return Arrays(np.asarray(self.open(index))[None]).digest(0)

    def name(self, index: int) -> str:
        return self._names[index]


def pictures(given: Anything, *, seen: Seen | None = None) -> Images:
    """Return pictures that open on demand.

    Args:
        given: a file, folder (searched below) or glob; a picture of Pillow; an array [H, W], [H, W, 3] or [N, H, W, 3]; a
            tensor [3, H, W] or [N, 3, H, W]; arrays and tensors of uint8, or of floats in [0, 1]; a split; or a list of these.
        seen: called while folders are searched; see :data:`coldframe.data.places.Seen`.

    Raises:
        DataError: it is something else, or there is nothing.

    Example:
        >>> len(pictures(np.zeros((2, 8, 8, 3), np.uint8))), pictures(Image.new("RGB", (9, 9))).name(0)
        (2, 'picture 0')
    """
    if isinstance(given, Split):
        return given.images
    if isinstance(given, str | Path):
        return Files(tuple(find_files([given], most=MOST, most_entries=MOST, seen=seen)))
    if isinstance(given, Image.Image):
        return Pillow([given], ["picture 0"])
    if isinstance(given, np.ndarray | Tensor):
        return _array(given, "picture")
    if hasattr(given, "open") and hasattr(given, "digest"):
        return cast(Images, given)
    if not isinstance(given, Iterable):
        raise DataError(f"expected {WANTED}, found {type(given).__name__}")
    parts = list(given)
    if not parts:
        raise DataError(f"expected {WANTED}, found an empty list")
    if all(isinstance(part, str | Path) for part in parts):
        return Files(tuple(find_files(parts, most=MOST, most_entries=MOST, seen=seen)))
    if all(isinstance(part, Image.Image) for part in parts):
        return Pillow(parts, [f"picture {number}" for number in range(len(parts))])
    arrays = (np.ndarray, Tensor)
    return Joined([_array(p, f"picture {n}") if isinstance(p, arrays) else pictures(p) for n, p in enumerate(parts)])


def _array(given: NDArray[Any] | Tensor, name: str) -> Arrays:
    """Return one picture or several; which axis is which is never guessed."""
    if isinstance(given, Tensor):
        values = given.detach().cpu().float().numpy() if given.is_floating_point() else given.detach().cpu().numpy()
        values = values[None] if values.ndim == 3 else values
        if values.ndim == 4 and values.shape[1] == 3:
            return Arrays(values.transpose(0, 2, 3, 1), name)
        raise DataError(f"expected a tensor of pictures [N, 3, H, W] or [3, H, W], found {list(given.shape)}; reorder its axes")
    values = given[None] if given.ndim == 2 or (given.ndim == 3 and given.shape[2] == 3) else given
    if values.ndim == 3 and given.ndim == 2:
        return Arrays(values, name)
    if values.ndim == 4 and values.shape[3] == 3:
        return Arrays(values, name)
    wanted = "expected an array of pictures [H, W], [H, W, 3] or [N, H, W, 3]"
    raise DataError(f"{wanted}, found {list(given.shape)}; reorder its axes")
