"""What a cold pass hands over: for every item of a split its activation at one cut, wherever it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.cold.store import Shard
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
from coldframe.errors import DataError

_IN_MEMORY_BYTES = 1 << 30


class Activations(Protocol):
    """N activations in the order of a split."""

    def __len__(self) -> int:
        """Return N."""

    def gather(self, indices: Tensor) -> Tensor:
        """Return the activations of items ``indices`` [b] -> [b, *shape], in the backbone's dtype and on its device."""

    @property
    def note(self) -> str:
        """How the activations come about, in words, for the report."""


class Stored:
    """Activations found in shards of the store; small ones are read into memory once.

    Args:
        shards: finished shards.
        digests: content digests of the N items.
        note: how they are kept, in words.
    """

    def __init__(self, shards: Sequence[Shard], digests: Sequence[str], note: str, backbone: Backbone | None) -> None:
        places = {digest: (s, row) for s, shard in enumerate(shards) for row, digest in enumerate(shard.digests)}
        missing = [digest for digest in digests if digest not in places]
        if missing:
            raise DataError(
                f"expected {len(digests)} stored activations, found {len(digests) - len(missing)}; "
                "images changed while they were read: run the command again"
            )
        pairs = np.array([places[digest] for digest in digests], dtype=np.int64).reshape(-1, 2)
        self._shards, self._shard, self._row = shards, pairs[:, 0], pairs[:, 1]
        self._note, self._backbone = note, backbone
        self.shape = shards[0].shape if shards else ()
        self.bytes = sum(shard.values[:1].nbytes * int((pairs[:, 0] == s).sum()) for s, shard in enumerate(shards))
        self._memory: Tensor | None = None
        if self.bytes <= _IN_MEMORY_BYTES and len(digests):
            self._memory = self._read(np.arange(len(digests)))

    def __len__(self) -> int:
        return len(self._row)

    def _read(self, indices: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        parts, order = [], []
        for s in np.unique(self._shard[indices]):
            where = np.flatnonzero(self._shard[indices] == s)
            rows = self._row[indices[where]]
            parts.append(self._shards[s].rows(rows))
            order.append(where)
        joined = parts[0] if len(parts) == 1 else torch.cat(parts)
        back = np.argsort(np.concatenate(order), kind="stable")
        return joined if len(parts) == 1 else joined[torch.from_numpy(back)]

    def gather(self, indices: Tensor) -> Tensor:
        indices = indices.cpu()
        raw = self._memory[indices] if self._memory is not None else self._read(indices.numpy())
        if self._backbone is None:
            return raw
        return raw.to(self._backbone.device, self._backbone.dtype)

    @property
    def note(self) -> str:
        return self._note


class Live:
    """Activations computed when asked for: images are decoded again, every time.

    Args:
        backbone: the network.
        split: the images.
        cut: where the activation is taken.
        flip: whether the images are mirrored.
        workers: threads that decode.
        note: why nothing is stored, in words.
    """

    def __init__(self, backbone: Backbone, split: Split, cut: str, flip: bool, workers: int, note: str) -> None:
        self._backbone, self._split, self._cut, self._flip = backbone, split, cut, flip
        self._load = partial(load_pixels, split.images, preprocess=backbone.preprocess, workers=workers)
        self._note = note

    def __len__(self) -> int:
        return len(self._split)

    @torch.no_grad()
    def gather(self, indices: Tensor) -> Tensor:
        pixels = torch.from_numpy(self._load(indices=indices.tolist()))  # [b, 3, S, S]
        if self._flip:
            pixels = pixels.flip(-1)
        return self._backbone.run(self._backbone.normalise(pixels), stop=self._cut)

    @property
    def note(self) -> str:
        return self._note


class Continued:
    """Activations stored at an earlier cut, run on to the wanted one when asked for.

    Args:
        kept: activations at ``start``; at the cut ``pixels`` these are uint8 images.
        backbone: the network.
        start: the cut that is stored.
        stop: the cut that is wanted.
    """

    def __init__(self, kept: Stored, backbone: Backbone, start: str, stop: str) -> None:
        self._kept, self._backbone, self._start, self._stop = kept, backbone, start, stop

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def gather(self, indices: Tensor) -> Tensor:
        x = self._kept.gather(indices)
        x = self._backbone.normalise(x) if x.dtype == torch.uint8 else x.to(self._backbone.device, self._backbone.dtype)
        return self._backbone.run(x, self._start, self._stop)

    @property
    def note(self) -> str:
        return self._kept.note
