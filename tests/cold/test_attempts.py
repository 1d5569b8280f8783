"""The seconds and images of a cold pass are the sum over its attempts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import TinyBackbone, split

from coldframe.cold import ColdPass, Store, attempts
from coldframe.cold.passes import PassReport
from coldframe.errors import FileError


class Killed(Exception):
    """Stands for a signal that ends the process."""


def test_a_pass_that_was_killed_keeps_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_EVERY", 0.0)
    cold, backbone, images, note = ColdPass(Store(tmp_path), batch_size=4), TinyBackbone(), split(12), tmp_path / "cold.json"

    def kill(done: int, total: int) -> None:
        if done >= 8:
            raise Killed

    cold.progress = kill
    with pytest.raises(Killed):
        attempts.prepare(cold, backbone, [images], [("features", "plain")], note)
    first = json.loads(note.read_text())
    assert first["seconds"] > 0 and first["images"] == 8 and cold.progress is kill
    cold.progress = None
    second = attempts.prepare(cold, backbone, [images], [("features", "plain")], note)
    assert second.seconds > first["seconds"] and second.images == 12 and second.reused == 0
    third = attempts.prepare(cold, backbone, [images], [("features", "plain")], note)
    assert third.seconds >= second.seconds and third.images == 12 and third.bytes == second.bytes
    fresh = attempts.prepare(cold, backbone, [images], [("features", "plain")], None)
    assert fresh.images == 0 and fresh.reused == 12, "without a folder an attempt knows of itself alone"
    note.write_text('{"seconds": -1, "images": 0, "bytes": 0}')
    with pytest.raises(FileError, match="seconds"):
        attempts.prepare(cold, backbone, [images], [("features", "plain")], note)


class Timed:
    """A pass that takes seconds of a clock of its own and tells its progress."""

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.progress = clock, None

    def prepare(self, backbone: object, splits: object, wants: object) -> PassReport:
        for done, passed in ((2, 0.4), (4, 1.0), (6, 1.9), (8, 2.5)):
            self.clock[0] = 10 + passed
            self.progress(done, 8)  # type: ignore[misc]
        return PassReport(images=8, seconds=3.0, bytes=80, reused=2, cuts=("features",))


def test_notes_are_taken_once_a_second_and_sums_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, note, seen = [10.0], tmp_path / "cold.json", list[dict[str, float]]()
    monkeypatch.setattr(attempts.time, "perf_counter", lambda: clock[0])
    write = attempts.files.write_json
    monkeypatch.setattr(attempts.files, "write_json", lambda path, value: (seen.append(value), write(path, value))[1])
    for before in ((0.0, 0, 0), (3.0, 8, 80)):
        clock[0], told = 10.0, list[tuple[int, int]]()
        cold = Timed(clock)
        cold.progress = lambda *at, told=told: told.append(at)  # type: ignore[assignment]
        seen.clear()
        report = attempts.prepare(cold, None, [], [], note)  # type: ignore[arg-type]
        seconds, images, size = before
        assert seen == [
            {"seconds": seconds + 1.0, "images": images + 4, "bytes": size},
            {"seconds": seconds + 2.5, "images": images + 8, "bytes": size},
            {"seconds": seconds + 3.0, "images": min(images + 8, 10), "bytes": size + 80},
        ]
        assert (report.seconds, report.bytes, report.images) == (seconds + 3.0, size + 80, min(images + 8, 10))
        assert report.reused == 10 - report.images and told == [(2, 8), (4, 8), (6, 8), (8, 8)]
