"""What feeds the cold pass: uint8 images in batches, decoded ahead of the network and each content once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from coldframe.data.base import Images, OnError, Split, Unreadable
from coldframe.data.decode import load_pixels
from coldframe.errors import DataError
from coldframe.types import Preprocess

_AHEAD = 2
_Place = tuple[str, Images, int]
Chunk = TypeVar("Chunk")
Loaded = TypeVar("Loaded")
Bad = dict[str, str]
"""Name of an image that cannot be used -> a few words why."""


def batches(
    splits: Sequence[Split],
    wanted: set[str],
    preprocess: Preprocess,
    size: int,
    workers: int,
    bad: Bad | None = None,
    on_error: OnError = "raise",
    patience: float = math.inf,
) -> Iterator[tuple[list[str], Tensor]]:
    """Yield digests and uint8 images [b, 3, S, S] of the wanted images, decoding two batches ahead of whoever reads.

    Args:
        splits: where the images are; one that appears several times is decoded once.
        wanted: content digests.
        preprocess: how they are decoded.
        size: b of all batches but the last.
        workers: threads that decode.
        bad: takes the images that were left out; None for a pass that leaves out none.
        on_error: what to do with images that do not decode.
        patience: seconds that one image may take.

    Raises:
        DataError: an image does not decode, or takes longer, and is not left out.
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

    def guarded(chunk: Sequence[_Place]) -> tuple[list[str], Tensor]:
        try:
            return patiently(lambda: load(chunk), patience, "a batch of images")
        except DataError:
            good = []  # which of them is it?
        for place in chunk:
            name = place[1].name(place[2])
            try:
                good.append(patiently(partial(load, [place]), patience, name))
            except DataError as error:
                if bad is None or on_error == "raise":
                    raise
                bad[name] = error.reason if isinstance(error, Unreadable) else str(error)
        pixels = [pixels for _, pixels in good] or [torch.empty(0, 3, preprocess.size, preprocess.size, dtype=torch.uint8)]
        return [digest for digests, _ in good for digest in digests], torch.cat(pixels)

    yield from ahead(load if bad is None else guarded, chunks)


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


def patiently(call: Callable[[], Loaded], seconds: float, name: str) -> Loaded:
    """Return what a call returns, or give up waiting for it; a thread that hangs is left behind and keeps no process alive.

    Args:
        call: what is called.
        seconds: how long it may take; infinite to call it here.
        name: of the image, for the error.

    Raises:
        Unreadable: it took longer.
    """
    if math.isinf(seconds):
        return call()
    box: SimpleQueue[tuple[Loaded | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            box.put((call(), None))
        except BaseException as error:  # raised again below
            box.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        found, error = box.get(timeout=seconds)
    except Empty:
        said = f"gave up on {name}: expected it to be read within {seconds:g} s; remove it, or give it more time"
        raise Unreadable(said, "took too long") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]
