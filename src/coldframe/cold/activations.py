"""What a cold pass hands over: for every item of a split its activation at one cut, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.cold.finite import check_finite
from coldframe.cold.store import Shard
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
from coldframe.errors import DataError
from coldframe.machine.spreading import spread
from coldframe.types import PIXELS

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
        backbone: whose dtype and device they are given out in; None gives them out as stored.
    """

    def __init__(self, shards: Sequence[Shard], digests: Sequence[str], note: str, backbone: Backbone | None) -> None:
        places = {digest: (s, row) for s, shard in enumerate(shards) for row, digest in enumerate(shard.digests)}
        missing = len(set(digests) - places.keys())
        if missing:
            raise DataError(f"expected {len(set(digests))} stored activations, found {missing} fewer; run the command again")
        pairs = np.array([places[digest] for digest in digests], dtype=np.int64).reshape(-1, 2)
        self._shards, self._shard, self._row = shards, pairs[:, 0], pairs[:, 1]
        self._note, self._backbone = note, backbone
        self._memory: Tensor | None = None
        row_bytes = [shard.values[:1].nbytes for shard in shards]
        if len(digests) and sum(row_bytes[s] for s in self._shard) <= _IN_MEMORY_BYTES:
            self._memory = self._read(np.arange(len(digests)))

    def __len__(self) -> int:
        return len(self._row)

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        if not len(indices):
            return self._shards[0].rows(indices) if self._shards else torch.empty(0)
        parts: list[Tensor] = []
        order = []
        for s in np.unique(self._shard[indices]):
            where = np.flatnonzero(self._shard[indices] == s)
            parts.append(self._shards[s].rows(self._row[indices[where]]))
            order.append(where)
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order), kind="stable"))]

    def gather(self, indices: Tensor) -> Tensor:
        indices = indices.cpu()
        raw = self._memory[indices] if self._memory is not None else self._read(indices.numpy())
        if self._backbone is None:
            return raw
        return raw.to(self._backbone.device, self._backbone.dtype)

    @property
    def note(self) -> str:
        return self._note


class Computed:
    """Activations run on, when asked for, from an earlier cut that is stored or from images decoded every time.

    Args:
        source: indices [b] -> activations at ``start``; at the cut ``pixels`` these are uint8 images [b, 3, S, S].
        n: N.
        backbone: the network.
        start: the cut that ``source`` gives.
        stop: the cut that is wanted.
        flip: whether images from ``source`` are mirrored first; only at the cut ``pixels``.
        batch_size: most items that run at a time.
        note: how they come about, in words.
        name_of: index of an item -> what an error calls it.
    """

    def __init__(
        self,
        source: Callable[[Tensor], Tensor],
        n: int,
        backbone: Backbone,
        start: str,
        stop: str,
        *,
        flip: bool = False,
        batch_size: int = 64,
        note: str,
        name_of: Callable[[int], str] = str,
    ) -> None:
        self._name_of = name_of
        self._source, self._n, self._backbone = source, n, backbone
        self._start, self._stop, self._flip = start, stop, flip
        self._batch_size, self._note = batch_size, note

    def __len__(self) -> int:
        return self._n

    @torch.no_grad()
    def gather(self, indices: Tensor) -> Tensor:
        indices, size = indices.cpu(), self._batch_size
        pieces = [indices[at : at + size] for at in range(0, max(1, len(indices)), size)]
        return torch.cat(spread(self._run, pieces) if self._backbone.device.type == "cpu" else [*map(self._run, pieces)])

    def _run(self, indices: Tensor) -> Tensor:
        x = self._source(indices)
        if self._start == PIXELS:
            x = self._backbone.normalise(x.flip(-1) if self._flip else x)  # [b, 3, S, S]
        found = self._backbone.run(x, self._start, self._stop)
        check_finite(found, self._backbone.name, self._stop, lambda row: self._name_of(int(indices[row])))
        return found

    @property
    def note(self) -> str:
        return self._note


def decoded(split: Split, backbone: Backbone, workers: int) -> Callable[[Tensor], Tensor]:
    """Return the source of images that are decoded every time: indices [b] -> uint8 [b, 3, S, S]."""

    def load(indices: Tensor) -> Tensor:
        return torch.from_numpy(load_pixels(split.images, indices.tolist(), backbone.preprocess, workers))

    return load
