"""The cold pass: run the frozen part once over every image, tap every cut that is wanted, store what the budget allows.

    cold = ColdPass()                                     # the user's store, fp32
    cold.prepare(backbone, [train, val], [("features", "plain")])
    features = cold.activations(backbone, train, "features")
    features.gather(torch.arange(4))                      # [4, D]
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.cold.activations import Activations, Continued, Live, Stored
from coldframe.cold.store import Key, ShardWriter, Store
from coldframe.data.base import Images, Split
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError
from coldframe.types import PIXELS, Precision, digest_of

VIEWS = ("plain", "flip")
Want = tuple[str, str]
"""A cut and a view of it."""
_SHARD_SECONDS = 60.0
_SHARD_BYTES = 1 << 30


@dataclass
class PassReport:
    """What a cold pass did: images run, seconds taken, bytes stored, images that the store already had."""

    images: int = 0
    seconds: float = 0.0
    bytes: int = 0
    reused: int = 0
    cuts: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


@dataclass
class ColdPass:
    """How cold activations are computed, kept and found again.

    Args:
        store: where they are kept.
        storage: ``"fp32"`` keeps every bit; ``"bf16"`` halves the size and is an approximation that the report names.
        budget: most bytes that one cut may take; None for half of the free disk.
        batch_size: B of the frozen forward.
        workers: threads that decode images.
        progress: called with (images done, images in all) after each batch.
    """

    store: Store = field(default_factory=Store)
    storage: Precision = "fp32"
    budget: int | None = None
    batch_size: int = 64
    workers: int = field(default_factory=lambda: max(2, os.cpu_count() or 2))
    progress: Callable[[int, int], None] | None = None

    def key(self, backbone: Backbone, cut: str, view: str = "plain") -> Key:
        """Return what identifies the shelf of one cut and view. Raises :class:`InputError` for unknown ones."""
        backbone.index(cut)
        if view not in VIEWS:
            raise InputError(f"expected a view of {', '.join(VIEWS)}, found {view!r}")
        if cut == PIXELS:
            return Key(backbone.name, "", backbone.preprocess.pixel_digest(), cut, view, "uint8", "exact")
        dtype = "bfloat16" if self.storage == "bf16" or backbone.dtype == torch.bfloat16 else "float32"
        preprocess = digest_of(backbone.preprocess.as_dict())
        return Key(backbone.name, backbone.digest, preprocess, cut, view, dtype, str(backbone.dtype).removeprefix("torch."))

    def sizes(self, backbone: Backbone, cuts: Sequence[str]) -> dict[str, int]:
        """Return the bytes that one image takes at each cut, found by one forward pass of one blank image."""
        side = backbone.preprocess.size
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        with torch.no_grad():
            taps = backbone.taps(blank, [cut for cut in cuts if cut != PIXELS])
        width = 2 if self.storage == "bf16" or backbone.dtype == torch.bfloat16 else 4
        found = {cut: tap.numel() * width for cut, tap in taps.items()}
        if PIXELS in cuts:
            found[PIXELS] = 3 * side * side
        return found

    def affordable(self, backbone: Backbone, images: int, cut: str) -> str | None:
        """Return the latest cut up to ``cut`` whose activations of ``images`` images fit the budget, or None."""
        budget = self.budget if self.budget is not None else self._free() // 2
        earlier = backbone.cuts[: backbone.index(cut) + 1]
        sizes = self.sizes(backbone, earlier)
        return next((name for name in reversed(earlier) if sizes[name] * images <= budget), None)

    def prepare(self, backbone: Backbone, splits: Sequence[Split], wants: Sequence[Want]) -> PassReport:
        """Compute and store, in one pass over all images, whatever of ``wants`` the store does not hold yet."""
        digests = _digests(splits)
        images = sum(len(split) for split in splits)
        report = PassReport(cuts=tuple(dict.fromkeys(cut for cut, _ in wants)))
        todo: dict[Key, set[str]] = {}
        for cut, view in dict.fromkeys(wants):
            missing = self._missing(self.key(backbone, cut, view), digests)
            if not missing:
                continue
            affordable = self.affordable(backbone, len(missing), cut)
            if affordable != cut:
                where = "runs live" if affordable is None else f"is stored at {affordable} and run on from there"
                report.notes.append(f"{cut} of {len(missing)} images is over the budget: it {where}")
            if affordable is not None:
                key = self.key(backbone, affordable, view)
                missing = self._missing(key, digests)
                if missing:
                    todo[key] = missing
        start = time.perf_counter()
        wanted = set().union(*todo.values()) if todo else set()
        report.reused = images - len(wanted)
        if wanted:
            report.bytes = self._run(backbone, splits, wanted, todo)
            report.images, report.seconds = len(wanted), time.perf_counter() - start
        return report

    def activations(self, backbone: Backbone, split: Split, cut: str, view: str = "plain") -> Activations:
        """Return the activations of a split at one cut, from the store where they are, else after a pass for them."""
        found = self._find(backbone, split, cut, view)
        if found is None:
            self.prepare(backbone, [split], [(cut, view)])
            found = self._find(backbone, split, cut, view)
        if found is None:
            return Live(backbone, split, cut, view == "flip", self.workers, f"{cut} live: over the budget")
        return found

    def _find(self, backbone: Backbone, split: Split, cut: str, view: str) -> Activations | None:
        digests = _digests([split])
        for name in reversed(backbone.cuts[: backbone.index(cut) + 1]):
            key = self.key(backbone, name, view)
            if self._missing(key, digests):
                continue
            exact = "" if key.dtype != "bfloat16" else " in bf16"
            note = f"{cut} stored{exact}" if name == cut else f"{name} stored{exact}, run on to {cut}"
            stored = Stored(self.store.shards(key), digests, note, None if name == PIXELS else backbone)
            if name == cut != PIXELS:
                return stored
            return Continued(stored, backbone, name, cut)
        return None

    def _missing(self, key: Key, digests: Sequence[str]) -> set[str]:
        held = {digest for shard in self.store.shards(key) for digest in shard.digests}
        return set(digests) - held

    def _free(self) -> int:
        folder = self.store.root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    @torch.no_grad()
    def _run(self, backbone: Backbone, splits: Sequence[Split], wanted: set[str], todo: dict[Key, set[str]]) -> int:
        views = [view for view in VIEWS if any(key.view == view for key in todo)]
        writers: dict[Key, ShardWriter] = {}
        done, stored, opened = 0, 0, time.monotonic()
        try:
            for digests, pixels in _batches(backbone, splits, wanted, self.batch_size, self.workers):
                for view in views:
                    seen = pixels.flip(-1) if view == "flip" else pixels  # [b, 3, S, S]
                    keys = [key for key in todo if key.view == view]
                    for key, values in _tapped(backbone, seen, keys):
                        rows = [row for row, digest in enumerate(digests) if digest in todo[key]]
                        if rows:
                            writer = writers.get(key) or writers.setdefault(key, self.store.writer(key))
                            writer.add([digests[row] for row in rows], values if len(rows) == len(digests) else values[rows])
                done += len(digests)
                if self.progress is not None:
                    self.progress(done, len(wanted))
                full = any(writer.bytes >= _SHARD_BYTES for writer in writers.values())
                if full or time.monotonic() - opened > _SHARD_SECONDS:
                    stored += _close(writers)
                    opened = time.monotonic()
            stored += _close(writers)
        finally:
            for writer in writers.values():
                writer.abandon()
        return stored


def _close(writers: dict[Key, ShardWriter]) -> int:
    size = 0
    while writers:
        key = next(iter(writers))
        writers[key].close()
        size += writers.pop(key).bytes
    return size


def _tapped(backbone: Backbone, pixels: Tensor, keys: Sequence[Key]) -> Iterator[tuple[Key, Tensor]]:
    deeper = [key for key in keys if key.cut != PIXELS]
    for key in keys:
        if key.cut == PIXELS:
            yield key, pixels
    if deeper:
        taps = backbone.taps(backbone.normalise(pixels), [key.cut for key in deeper])
        for key in deeper:
            yield key, taps[key.cut]


def _batches(
    backbone: Backbone, splits: Sequence[Split], wanted: set[str], size: int, workers: int
) -> Iterator[tuple[list[str], Tensor]]:
    """Yield digests and uint8 images [b, 3, S, S] of the wanted images, decoding one batch ahead of the network."""
    places: list[tuple[str, Images, int]] = []
    left = set(wanted)
    for split in splits:
        for index in range(len(split)):
            digest = split.images.digest(index)
            if digest in left:
                left.discard(digest)
                places.append((digest, split.images, index))
    chunks = [places[at : at + size] for at in range(0, len(places), size)]

    def load(chunk: list[tuple[str, Images, int]]) -> tuple[list[str], Tensor]:
        pixels = np.concatenate([
            load_pixels(images, [index for _, owner, index in chunk if owner is images], backbone.preprocess, workers)
            for images in dict.fromkeys(owner for _, owner, _ in chunk)
        ])
        order = [d for images in dict.fromkeys(o for _, o, _ in chunk) for d, owner, _ in chunk if owner is images]
        return order, torch.from_numpy(pixels)

    with ThreadPoolExecutor(1) as ahead:
        pending = [ahead.submit(load, chunk) for chunk in chunks[:2]]
        try:
            for position in range(len(chunks)):
                ready = pending.pop(0).result()
                if position + 2 < len(chunks):
                    pending.append(ahead.submit(load, chunks[position + 2]))
                yield ready
        finally:
            for future in pending:
                future.cancel()


def _digests(splits: Sequence[Split]) -> list[str]:
    return [split.images.digest(index) for split in splits for index in range(len(split))]
