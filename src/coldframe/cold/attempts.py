"""What the cold pass of a comparison took over all its attempts: a run that was killed does not forget its work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.cold.passes import ColdPass, PassReport, Want
from coldframe.data.base import Split
from coldframe.files.formats import ColdAttempts, plain
from coldframe.files.reading import read

_EVERY = 1.0
"""Seconds between two notes: a kill loses at most so much."""


def prepare(
    cold: ColdPass, backbone: Backbone, splits: Sequence[Split], wants: Sequence[Want], note: Path | None
) -> PassReport:
    """Run :meth:`ColdPass.prepare`; seconds and images are the sum over all attempts that used the same ``note``.

    Args:
        cold: the pass.
        backbone: see there.
        splits: see there.
        wants: see there.
        note: a file that keeps the sum; None counts this attempt alone.

    Raises:
        FileError: the note is damaged.
    """
    if note is None:
        return cold.prepare(backbone, splits, wants)
    before = read(note, ColdAttempts, remedy="remove it") if note.is_file() else ColdAttempts(0.0, 0, 0)
    tell, start, noted = cold.progress, time.perf_counter(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal noted
        passed = time.perf_counter() - start
        if passed - noted >= _EVERY:
            noted = passed
            files.write_json(note, plain(ColdAttempts(before.seconds + passed, before.images + done, before.bytes)))
        if tell is not None:
            tell(done, total)

    cold.progress = progress
    try:
        report = cold.prepare(backbone, splits, wants)
    finally:
        cold.progress = tell
    different = report.images + report.reused
    # Images of a piece that a kill cut off are run twice: each counts once.
    images = min(before.images + report.images, different)
    found = ColdAttempts(before.seconds + report.seconds, images, before.bytes + report.bytes)
    files.write_json(note, plain(found))
    return replace(report, seconds=found.seconds, images=images, reused=different - images, bytes=found.bytes)
