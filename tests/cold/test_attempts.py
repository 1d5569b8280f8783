"""The seconds and images of a cold pass are the sum over its attempts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import TinyBackbone, split

from coldframe.cold import ColdPass, Store, attempts
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
