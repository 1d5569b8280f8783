"""The pictures of several data sets, or splits, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from coldframe.data.base import Dataset, Images, Split


class Joined:
    """The pictures of several sequences, one after the other."""

    def __init__(self, parts: Sequence[Images]) -> None:
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _find(self, index: int) -> tuple[Images, int]:
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._parts[part], index - int(self._starts[part])

    def open(self, index: int) -> Image:
        images, place = self._find(index)
        return images.open(place)

    def digest(self, index: int) -> str:
        images, place = self._find(index)
        return images.digest(place)

    def name(self, index: int) -> str:
        images, place = self._find(index)
        return images.name(place)


def everything(dataset: Dataset) -> Split:
    """Return the three splits as one, ``"all"``: train, then val, then test."""
    parts = dataset.splits
    labels = np.concatenate([part.labels for part in parts])
    held = [part.tags for part in parts if part.tags is not None]
    tags, ordered = np.concatenate(held) if held else None, dataset.train.ordered
    return Split("all", Joined([part.images for part in parts]), labels, dataset.classes, tags=tags, ordered=ordered)
