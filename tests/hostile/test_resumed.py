"""A comparison that was killed and resumed gives what an undisturbed one gives; here stands what may differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import TinyBackbone, coloured

from coldframe.cold import ColdPass, Store, attempts
from coldframe.data.base import Dataset
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.report import Table
from coldframe.training import checkpoint
from coldframe.verbs.compare import compare
from coldframe.verbs.watch import Watch

MAY_DIFFER = {"train_seconds", "cold_seconds", "latency_ms", "peak_memory_mb"}
"""Fields of a row: times and memory, measured on each attempt."""
WORDS = {"command", "machine", "verdict"}
"""Parts of ``results.json`` that say how it was run, or speak of times."""


class Killed(Exception):
    """Stands for a signal that ends the process."""


class Killer(Watch):
    """Kills at the n-th thing that it is told."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _told(self) -> None:
        self.left -= 1
        if not self.left:
            raise Killed

    def cold(self, done: int, total: int) -> None:
        self._told()

    def fitting(self, method: str, seed: int) -> None:
        self._told()

    def row(self, row: Any) -> None:
        self._told()


def ran(folder: Path, watch: Watch | None = None) -> Table:
    backbone = TinyBackbone()
    data = Dataset("three", coloured(24, 0, "train"), coloured(9, 1, "val"), coloured(9, 2, "test"))
    cold = ColdPass(Store(folder / "store"), batch_size=8)
    ways = [NearestNeighbours(backbone, k=3), LinearProbe(backbone, l2=(0.1, 0.01))]
    return compare(ways, data, seeds=2, latency=False, out=folder, cold=cold, watch=watch, command="again")


def parted(table: Table) -> tuple[dict[str, Any], list[float]]:
    """Return what must be equal, and the cold seconds."""
    found = table.to_json()
    kept = {name: value for name, value in found.items() if name not in WORDS}
    kept["handed"] = {name: value for name, value in kept["handed"].items() if name != "next"}  # it names the folder
    cold = kept["about"].pop("cold")
    assert "in the store already" not in cold and "42 images in" in cold, cold
    seconds = [row["cold_seconds"] for row in kept["rows"]]
    for row in kept["rows"]:
        for holder in (row, row.get("mean", {}), row.get("ci95", {})):
            for name in MAY_DIFFER:
                holder.pop(name, None)
    return kept, seconds


@pytest.mark.parametrize("at", [2, 5, 7, 9, 12])
def test_only_times_and_memory_differ_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(attempts, "_EVERY", 0.0)
    expected, _ = parted(ran(tmp_path / "whole"))
    with pytest.raises(Killed):
        ran(tmp_path / "killed", Killer(at))
    found, seconds = parted(ran(tmp_path / "killed"))
    assert found == expected
    assert min(seconds) > 0, "the first attempt's cold pass counts"
    assert not list((tmp_path / "killed").rglob(checkpoint.NAME))
