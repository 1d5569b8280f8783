"""The study of batch normalisation: its algebra holds, fails for another layer, and its files are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coldframe.foundations.batch_norm import study
from coldframe.foundations.batch_norm.study import algebra, batch_norm


def test_the_algebra_holds() -> None:
    found = algebra(seed=3, draws=5)
    assert len(found) == 5
    assert all(claim["holds"] for claim in found)


def test_the_algebra_notices_a_neuron_without_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "neuron", lambda h, w, b=0.0: h @ w + b)
    said = {claim["claim"][:8]: claim["holds"] for claim in algebra(draws=2)}
    assert not said["the bias"]
    assert not said["the scal"]


def test_a_run_writes_its_page(tmp_path: Path) -> None:
    found = batch_norm(sizes=(2, 8), seeds=1, epochs=1, images=32, out=tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert {(row["normalisation"], row["batch"]) for row in written["cells"]} >= {("batch", 2), ("layer", 8)}
    assert "--sizes 2 --sizes 8" in written["command"]
    assert (tmp_path / "report.html").is_file()
    assert "batch 2" in str(found)
