"""What feeds the cold pass: uint8 images in batches, decoded ahead of the network and each content once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from coldframe.data.base import Images, Split
from coldframe.data.decode import load_pixels
from coldframe.types import Preprocess

_AHEAD = 2
_Place = tuple[str, Images, int]
Chunk = TypeVar("Chunk")
Loaded = TypeVar("Loaded")


def batches(
    splits: Sequence[Split], wanted: set[str], preprocess: Preprocess, size: int, workers: int
) -> Iterator[tuple[list[str], Tensor]]:
    """Yield digests and uint8 images [b, 3, S, S] of the wanted images, decoding two batches ahead of whoever reads.

    Args:
        splits: where the images are; one that appears several times is decoded once.
        wanted: content digests.
        preprocess: how they are decoded.
        size: b of all batches but the last.
        workers: threads that decode.
    """
    places: dict[str, _Place] = {}
    for split in splits:
        for index in range(len(split)):
            digest = split.images.digest(index)
            if digest in wanted:
                places.setdefault(digest, (digest, split.images, index))
    order = list(places.values())
    chunks = [order[at : at + size] for at in range(0, len(order), size)]

    def load(chunk: Sequence[_Place]) -> tuple[list[str], Tensor]:
        parts = []
        for _, group in groupby(chunk, key=lambda place: id(place[1])):
            same = list(group)
            parts.append(load_pixels(same[0][1], [index for _, _, index in same], preprocess, workers))
        return [digest for digest, _, _ in chunk], torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])

    yield from ahead(load, chunks)


def ahead(load: Callable[[Chunk], Loaded], chunks: Sequence[Chunk]) -> Iterator[Loaded]:
    """Yield what ``load`` returns for each chunk, in order, loading two chunks ahead of whoever reads."""
    with ThreadPoolExecutor(1) as pool:
        pending = [pool.submit(load, chunk) for chunk in chunks[:_AHEAD]]
        try:
            for position in range(len(chunks)):
                ready = pending.pop(0).result()
                if position + _AHEAD < len(chunks):
                    pending.append(pool.submit(load, chunks[position + _AHEAD]))
                yield ready
        finally:
            for future in pending:
                future.cancel()
