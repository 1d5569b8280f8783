"""The cold pass: run the frozen part once over every image, tap every cut that is wanted, store what the budget allows.

    cold = ColdPass()                                     # the user's store, fp32
    cold.prepare(backbone, [train, val], [("features", "plain")])
    features = cold.activations(backbone, train, "features")
    features.gather(torch.arange(4))                      # [4, D]
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import get_args

import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.cold.activations import Activations, Computed, Stored, decoded
from coldframe.cold.engines import TOLERANCE, TRIED, Engine, Run, chosen, marked, piece, precision_of, tapped, tried
from coldframe.cold.feed import Bad, batches
from coldframe.cold.finite import check_finite
from coldframe.cold.store import Key, ShardWriter, Store
from coldframe.data.base import OnError, Split
from coldframe.errors import InputError, ModelError, nearest
from coldframe.machine.room import check_batch
from coldframe.types import BESIDE, PIXELS, Precision, digest_of

VIEWS = ("plain", "flip")
Want = tuple[str, str]
"""A cut and a view of it."""
_SHARD_SECONDS = 60.0
_SHARD_BYTES = 1 << 30


@dataclass
class PassReport:
    """What a cold pass did.

    Args:
        images: different images that were run.
        seconds: time taken, hashing and decoding included.
        bytes: bytes stored.
        reused: different images of which the store already had everything.
        cuts: the cuts that were asked for.
        notes: what is not stored as asked for, and why; one sentence each.
    """

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
        budget: most bytes that what one pass asks for may take, whatever of it is stored already included; None for half of
            the free disk.
        batch_size: images decoded together, and run together on a GPU; a CPU runs them in pieces, which is faster.
        workers: threads that decode images.
        progress: called with (images done, images in all) after each batch.
        engine: what runs the network, see :mod:`coldframe.cold.engines`; ``"eager"`` PyTorch keeps every bit.
    """

    store: Store = field(default_factory=Store)
    storage: Precision = "fp32"
    budget: int | None = None
    batch_size: int = 64
    workers: int = field(default_factory=lambda: max(2, os.cpu_count() or 2))
    progress: Callable[[int, int], None] | None = None
    engine: Engine = "eager"
    _over: set[Key] = field(default_factory=set, init=False, repr=False, compare=False)
    _refused: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.storage not in get_args(Precision):
            raise InputError(f"unknown storage {self.storage!r}{nearest(str(self.storage), get_args(Precision))}")
        if self.engine not in get_args(Engine):
            raise InputError(f"unknown engine {self.engine!r}{nearest(str(self.engine), get_args(Engine))}")
        for name, least in (("batch_size", 1), ("workers", 1), ("budget", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"expected {name} of {least} or more, found {name}={value}")

    @property
    def kept(self) -> str:
        """How activations are computed and stored, in a word that is equal for equal numbers."""
        return self.storage if self.engine == "eager" else f"{self.storage}-{self.engine}"

    def key(self, backbone: Backbone, cut: str, view: str = "plain") -> Key:
        """Return what identifies the shelf of one cut and view. Raises :class:`InputError` for unknown ones.

        Mirrored images have no shelf of their own: they are the plain ones, read backwards.
        """
        backbone.before(cut)
        if view not in VIEWS:
            raise InputError(f"expected a view of {', '.join(VIEWS)}, found {view!r}")
        if cut == PIXELS:
            return Key(backbone.name, "", backbone.preprocess.pixel_digest(), cut, "plain", "uint8", "exact")
        # The class stands for what the stages are: two views of one module may name different activations alike.
        weights = digest_of([type(backbone).__module__, type(backbone).__qualname__, backbone.digest])
        preprocess = digest_of(backbone.preprocess.as_dict())
        compute = precision_of(backbone) + marked(self._engine(backbone)[0])
        return Key(backbone.name, weights, preprocess, cut, view, self._dtype(backbone), compute)

    def sizes(self, backbone: Backbone, cuts: Iterable[str]) -> dict[str, int]:
        """Return the bytes that one image takes at each cut, found by one forward pass of one blank image."""
        side, width = backbone.preprocess.size, {"bfloat16": 2, "float32": 4, "float64": 8}[self._dtype(backbone)]
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        with torch.inference_mode():
            found = {cut: tap.numel() * width for cut, tap in backbone.taps(blank, cuts).items()}
        return found | ({PIXELS: 3 * side * side} if PIXELS in found else {})

    def prepare(self, backbone: Backbone, splits: Sequence[Split], wants: Sequence[Want]) -> PassReport:
        """Compute and store, in one pass over all images, whatever of ``wants`` the store does not hold yet.

        The budget goes to the smallest wants first. What does not fit is stored at the latest earlier cut that does, and
        run on from there when asked for; where none fits it runs live. Either way the result is the same.
        """
        start = time.perf_counter()
        digests = set(_digests(splits))
        report = PassReport(cuts=tuple(dict.fromkeys(cut for cut, _ in wants)))
        missing = {want: self._missing(self.key(backbone, *want), digests) for want in dict.fromkeys(wants)}
        todo = self._plan(backbone, missing, digests, report) if any(missing.values()) else {}
        wanted = set().union(*todo.values())
        report.reused = len(digests - set().union(*missing.values()))
        engine, said = self._engine(backbone)
        if engine != "eager":
            said = f"{backbone.name} ran in {engine}, an approximation: within {TOLERANCE:.0e} of eager PyTorch when tried"
        report.notes += [said] if said else []
        if wanted:
            run = self.engine_for(backbone, splits, {key.cut for key in todo}, wanted)
            if self._engine(backbone)[0] != engine:  # it was refused just now: the keys are others
                return self.prepare(backbone, splits, wants)
            report.bytes = self.fill(backbone, splits, wanted, todo, run)
            report.images, report.seconds = len(wanted), time.perf_counter() - start
        return report

    def activations(self, backbone: Backbone, split: Split, cut: str, view: str = "plain") -> Activations:
        """Return the activations of a split at one cut, from the store where they are, else after a pass for them."""
        found = self._find(backbone, split, cut, view)
        if found is None and self.key(backbone, cut, view) not in self._over:
            self.prepare(backbone, [split], [(cut, view)])
            found = self._find(backbone, split, cut, view)
        if found is None:
            source, note = decoded(split, backbone, self.workers), f"{cut} live: over the budget of the store"
            found = self._computed(source, split, backbone, PIXELS, cut, view, note)
        return found

    def _engine(self, backbone: Backbone) -> tuple[Engine, str]:
        """Return the engine of a network, and a sentence where it is not the one asked for."""
        if self.engine == "eager":
            return "eager", ""
        refused = self._refused.get(backbone.digest)
        return ("eager", refused) if refused else chosen(self.engine, backbone)

    def engine_for(
        self, backbone: Backbone, splits: Sequence[Split], cuts: set[str], wanted: set[str] | None = None
    ) -> Run | None:
        """Return the engine, held against eager PyTorch on the first images, or None where that runs, also after a refusal."""
        engine, _ = self._engine(backbone)
        if engine == "eager" or cuts == {PIXELS}:
            return None
        able = (d for split in splits for d in map(split.images.digest, range(len(split))) if wanted is None or d in wanted)
        first = batches(splits, set(islice(able, TRIED)), backbone.preprocess, TRIED, self.workers, {}, "skip")
        _, pixels = next(first)  # [b, 3, S, S]
        try:
            return tried(engine, backbone, [*cuts], self.store.root.parent / "engines", pixels)
        except ModelError as error:
            self._refused[backbone.digest] = f"{backbone.name} runs in eager PyTorch, not {engine}: {error}"
            return None

    def _plan(
        self, backbone: Backbone, missing: Mapping[Want, set[str]], digests: set[str], report: PassReport
    ) -> dict[Key, set[str]]:
        sizes = self.sizes(backbone, {*backbone.cuts, *(cut for cut, _ in missing)})
        left = self.budget if self.budget is not None else self._free() // 2
        todo: dict[Key, set[str]] = {}
        for cut, view in sorted(missing, key=lambda want: (sizes[want[0]], len(backbone.before(want[0])), want[1])):
            wanted, place = self.key(backbone, cut, view), None
            for name in reversed(backbone.before(cut)):
                key = self.key(backbone, name, view)
                absent = todo[key] if key in todo else self._missing(key, digests)
                # What is stored counts, so that the same wants have the same places in every run.
                counted = 0 if key in todo else len(digests if self.budget is not None else absent)
                if sizes[name] * counted <= left or not absent:
                    place, left, todo[key] = name, left - sizes[name] * counted, absent
                    break
            self._over.discard(wanted)
            if place != cut:
                self._over.add(wanted)
                where = "runs live" if place is None else f"is stored at {place} and run on from there"
                report.notes.append(f"{cut} ({view}) of {len(digests)} images is over the budget: it {where}")
        todo = {key: absent for key, absent in todo.items() if absent}
        kept = sum(sizes[cut] for cut in {key.cut for key in todo})
        check_batch(self.batch_size, max(map(len, todo.values()), default=0), backbone.preprocess.size, 2 * kept)
        return todo

    def _find(self, backbone: Backbone, split: Split, cut: str, view: str) -> Activations | None:
        digests = _digests([split])
        for name in reversed(backbone.before(cut)):
            key = self.key(backbone, name, view)
            shards = self.store.shards(key)
            if not set(digests) <= {digest for shard in shards for digest in shard.digests}:
                continue
            exact = "" if key.dtype != "bfloat16" else " in bf16"
            note = f"{cut} stored{exact}" if name == cut else f"{name} stored{exact}, run on to {cut}"
            stored = Stored(shards, digests, note, None if name == PIXELS else backbone)
            if name == cut != PIXELS:
                return stored
            return self._computed(stored.gather, split, backbone, name, cut, view, note)
        return None

    def _computed(
        self, source: Callable[[Tensor], Tensor], split: Split, backbone: Backbone, start: str, stop: str, view: str, note: str
    ) -> Computed:
        flip = view == "flip" and start == PIXELS
        size = min(self.batch_size, piece(backbone))
        name_of = split.images.name
        return Computed(
            source, len(split), backbone, start, stop, flip=flip, batch_size=size, note=note, name_of=name_of
        )

    def _missing(self, key: Key, digests: set[str]) -> set[str]:
        return digests - {digest for shard in self.store.shards(key) for digest in shard.digests}

    def _dtype(self, backbone: Backbone) -> str:
        if self.storage == "bf16" or backbone.dtype == torch.bfloat16:
            return "bfloat16"
        return "float64" if backbone.dtype == torch.float64 else "float32"

    def _free(self) -> int:
        folder = self.store.root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    @torch.inference_mode()
    def fill(
        self,
        backbone: Backbone,
        splits: Sequence[Split],
        wanted: set[str],
        todo: Mapping[Key, set[str]],
        run: Run | None = None,
        bad: Bad | None = None,
        on_error: OnError = "raise",
        patience: float = math.inf,
    ) -> int:
        """Compute and store the wanted images of each shelf; return the bytes. With ``bad``, as one shard and it may skip."""
        views = [view for view in VIEWS if any(key.view == view for key in todo)]
        writers: dict[Key, ShardWriter] = {}
        done, stored, opened = 0, 0, time.monotonic()
        try:
            feed = batches(
                splits, wanted, backbone.preprocess, self.batch_size, self.workers, bad, on_error, patience
            )  # fmt: skip
            for digests, pixels in feed:
                for view in views:
                    needs = {key: absent for key, absent in todo.items() if key.view == view}
                    rows = [row for row, digest in enumerate(digests) if any(digest in absent for absent in needs.values())]
                    if not rows:
                        continue
                    some = pixels if len(rows) == len(digests) else pixels[rows]  # [b, 3, S, S]
                    taps = tapped(backbone, some.flip(-1) if view == "flip" else some, [key.cut for key in needs], run)
                    for cut in (*backbone.cuts, *BESIDE):
                        if cut in taps:
                            check_finite(taps[cut], backbone.name, cut, partial(_name, splits, [digests[row] for row in rows]))
                    for key, absent in needs.items():
                        kept = [at for at, row in enumerate(rows) if digests[row] in absent]
                        if kept:
                            writer = writers.get(key) or writers.setdefault(key, self.store.writer(key))
                            values = taps[key.cut] if len(kept) == len(rows) else taps[key.cut][kept]
                            writer.add([digests[rows[at]] for at in kept], values)
                done += len(digests)
                if self.progress is not None:
                    self.progress(done, len(wanted))
                full = any(writer.bytes >= _SHARD_BYTES for writer in writers.values())
                if bad is None and (full or time.monotonic() - opened > _SHARD_SECONDS):
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


def _name(splits: Sequence[Split], digests: Sequence[str], row: int) -> str:
    """Return the name of the first image with the content of a row."""
    images = ((split.images, index) for split in splits for index in range(len(split)))
    return next(held.name(index) for held, index in images if held.digest(index) == digests[row])


def _digests(splits: Sequence[Split]) -> list[str]:
    return [split.images.digest(index) for split in splits for index in range(len(split))]
