"""The cold pass over many images by many workers: units of fixed content, each stored whole or not at all, with its marker.

    prepare_units(cold, backbone, [train, test], [("features", "plain")], worker=(1, 4))    # the first of four workers

Unit u is the images u * size to (u + 1) * size of a split. Worker i of n takes the units u with u mod n = i - 1 and needs to
know nothing of the others. A unit becomes a shard of the store, one for each cut and view; after that its marker is written
beside the shards. A worker that is killed loses the unit it was at; run again, with any number of workers, the same call does
what has no marker. What it leaves is the store that every other command reads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.cold.feed import Bad, patiently
from coldframe.cold.passes import ColdPass, Want
from coldframe.cold.store import Key
from coldframe.data.base import OnError, Split, Unreadable
from coldframe.errors import DataError, InputError
from coldframe.types import digest_of

SIZE = 4096
"""Images of a unit: seconds to minutes of work."""
PATIENCE = 60.0
"""Seconds that reading and decoding one image may take."""


@dataclass
class UnitReport:
    """What one worker did.

    Args:
        units: units of all workers.
        done: units that this worker finished in this run.
        before: units of this worker that had been finished before.
        elsewhere: units of this worker that another process was working on.
        images: images stored in this run.
        bytes: bytes stored in this run.
        seconds: time taken.
        left_out: images that could not be used, each with a few words why.
    """

    units: int = 0
    done: int = 0
    before: int = 0
    elsewhere: int = 0
    images: int = 0
    bytes: int = 0
    seconds: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)


def worker_here() -> tuple[int, int]:
    """Return which of how many workers this process is, (i, n), as torchrun and Slurm's srun say it; (1, 1) alone.

    Raises:
        InputError: what they say is no pair of numbers.
    """
    for rank, world in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in os.environ and world in os.environ:
            texts = os.environ[rank], os.environ[world]
            if not (all(text.isascii() and text.isdecimal() for text in texts) and int(texts[0]) < int(texts[1])):
                raise InputError(f"expected {rank} below {world} in the environment, found {texts[0]!r} and {texts[1]!r}")
            return int(texts[0]) + 1, int(texts[1])
    return 1, 1


def prepare_units(
    cold: ColdPass,
    backbone: Backbone,
    splits: Sequence[Split],
    wants: Sequence[Want],
    *,
    worker: tuple[int, int] = (1, 1),
    size: int = SIZE,
    on_error: OnError = "raise",
    patience: float = PATIENCE,
    progress: Callable[[int, int], None] | None = None,
) -> UnitReport:
    """Store what is wanted of this worker's units.

    Args:
        cold: the pass and its store. Its budget does not count here: what is wanted is stored.
        backbone: the network.
        splits: the images.
        wants: cuts and views.
        worker: (i, n): the i-th of n workers, 1 <= i <= n.
        size: images of a unit.
        on_error: ``"raise"`` stops at the first image that does not decode; ``"skip"`` leaves it out and counts it.
        patience: seconds that reading and decoding one image may take; one that takes longer does not decode.
        progress: called with (images done, images of this worker) after each unit.

    Raises:
        InputError: a worker that does not exist, or a size below 1.
        DataError: an image does not decode, or takes too long, and ``on_error`` is ``"raise"``.
    """
    (i, n), start = worker, time.perf_counter()
    if not 1 <= i <= n:
        raise InputError(f"expected a worker i/n with 1 <= i <= n, found {i}/{n}")
    if size < 1:
        raise InputError(f"expected a unit of 1 image or more, found {size}")
    keys = {want: cold.key(backbone, *want) for want in dict.fromkeys(wants)}
    every = list(_units(splits, size))
    mine = every[i - 1 :: n]
    report, total, passed = UnitReport(units=len(every)), sum(stop - first for _, first, stop in mine), 0
    run, told = cold.engine_for(backbone, splits, {cut for cut, _ in keys}), False
    keys = {want: cold.key(backbone, *want) for want in keys}  # an engine that was refused has the keys of eager PyTorch
    for split, first, stop in mine:
        unit = split.subset(range(first, stop))
        marks = _marks(cold, keys.values(), unit, [split.name, len(split), first])
        missing = [key for key, mark in marks.items() if not mark.is_file()]
        passed += stop - first
        if not missing:
            report.before += 1
            continue
        lock = marks[missing[0]].with_suffix(".lock")
        with files.holding(lock) as alone:
            if not alone:
                report.elsewhere += 1
                continue
            bad: Bad = {}
            digests = _digests(unit, on_error, patience, bad)
            unread = len(bad)
            stored = cold.fill(backbone, [unit], digests, dict.fromkeys(missing, digests), run, bad, on_error, patience)
            for key in missing:
                files.write_json(marks[key], {"left_out": bad})
        lock.unlink(missing_ok=True)
        report.done, report.bytes = report.done + 1, report.bytes + stored
        report.images += len(digests) - (len(bad) - unread)
        report.left_out |= bad
        if progress is not None:
            progress(passed, total)
            told = True
    if progress is not None and not told:
        progress(total, total)
    report.seconds = time.perf_counter() - start
    return report


def _units(splits: Sequence[Split], size: int) -> Iterator[tuple[Split, int, int]]:
    for split in splits:
        for first in range(0, len(split), size):
            yield split, first, min(first + size, len(split))


def _marks(cold: ColdPass, keys: Iterable[Key], unit: Split, place: Sequence[object]) -> dict[Key, Path]:
    """Return the marker of a unit on each shelf; its images are told by their names and labels, without reading them."""
    names = [unit.images.name(row) for row in range(len(unit))]
    called = digest_of([*place, names, unit.labels.tolist(), list(unit.classes)])
    return {key: cold.store.root / key.shelf / "units" / f"{called}.json" for key in keys}


def _digests(unit: Split, on_error: OnError, patience: float, bad: Bad) -> set[str]:
    """Return the content digests of a unit; files that cannot be read are left out, or stop the pass."""
    found = set()
    for row in range(len(unit)):
        try:
            found.add(patiently(partial(unit.images.digest, row), patience, unit.images.name(row)))
        except (DataError, OSError) as error:
            if on_error == "raise":
                raise
            bad[unit.images.name(row)] = error.reason if isinstance(error, Unreadable) else "cannot be read"
    return found
