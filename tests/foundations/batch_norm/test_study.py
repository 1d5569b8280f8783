"""The study of batch normalisation: its algebra holds, fails for another layer, and its files are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn import same_text

from coldframe.foundations.batch_norm import study
from coldframe.foundations.batch_norm.batch_sizes import Outcome
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


def test_what_is_said_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [Outcome(kind, size, seed, 0.5 + 0.1 * seed + 0.01 * size, 0.3, 0.5)  # type: ignore[arg-type]
                for kind in ("batch", "layer") for size in (1, 8) for seed in range(2)
                if (kind, size) != ("batch", 1)]  # fmt: skip
    claims = [{"claim": "one", "difference": 1e-7, "holds": True}, {"claim": "two", "difference": 0.5, "holds": False}]
    monkeypatch.setattr(study, "compare", lambda **_: outcomes)
    monkeypatch.setattr(study, "algebra", lambda: claims)
    said = []
    for asked in ({}, {"sizes": (1, 8), "seeds": 2, "images": 64}):
        found = batch_norm(**asked)  # type: ignore[arg-type]
        said += [found.command, str(found)]
    cells = [
        (cell["normalisation"], cell["batch"], round(cell["mean"], 6), round(cell["half"], 4))
        for cell in found.results()["cells"]
    ]
    same_text(__file__, "study", "\n".join([*said, f"{cells}"]) + "\n")


def test_a_claim_holds_up_to_a_millionth(monkeypatch: pytest.MonkeyPatch) -> None:
    for off, holds in ((0.9e-6, True), (1.1e-6, False)):
        monkeypatch.setattr(study, "turn", lambda h, w, r, lr, off=off: (1.0 if lr == 0.01 else 1.0 + off, 1.0))
        assert [claim["holds"] for claim in algebra(draws=2)] == [True, True, True, holds, True]
