"""``coldframe sweep`` to its end, as a user sees it: a line a cell, and the folder with the heat map."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coldframe.cli.sweep import sweep


def test_a_sweep_prints_a_line_a_cell_and_leaves_tables_and_maps(
    fruit: Path, say: Callable[..., object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["sweep", "deep-prompt", "--data", f"folder:{fruit}", "--grid", "tokens=1,2", "--grid", "layer=10,11"]
    words += ["--set", "deep-prompt.margin=0"]
    shown, progress = say(*words, "--set", "deep-prompt.epochs=1", "--out", out)
    results = json.loads((out / "results.json").read_text())
    cells = [line for line in shown if line.startswith("folder:")]
    columns = re.split(r"\s{2,}", shown[0].strip())
    assert columns == ["data", "method", "tokens", "layer", "val (%)", "test (%)", "trained", "seconds"]
    assert "zero-shot (baseline)" in cells[0] and len(cells) == 5
    found = [dict(zip(columns, re.split(r"\s{2,}", line.strip()), strict=True)) for line in cells[1:]]
    assert [(one["tokens"], one["layer"]) for one in found] == [("1", "10"), ("1", "11"), ("2", "10"), ("2", "11")]
    rows = [row for row in results["rows"] if row["seed"] is not None and "zero-shot" not in row["method"]]
    assert [one["test (%)"] for one in found] == [f"{100 * row['top1']:.1f}" for row in rows]
    assert [one["trained"] for one in found] == [f"{row['trainable_parameters']:,}" for row in rows]
    assert [row["trainable_parameters"] for row in rows] == [160, 160, 320, 320]  # tokens of the width of pocket
    assert shown[-1] == f"report: {out / 'report.html'}"
    assert sum(", seed 0: top-1 " in line for line in progress) == 5
    assert (out / "report.html").exists() and list(out.rglob("*.svg"))


def test_what_is_said_on_the_command_line_takes_the_place_of_the_plans(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    saved: list[Path] = []
    done = SimpleNamespace(table=lambda: [["a", "b"], ["x", "1"]], results=lambda: {"rows": []}, save=saved.append)
    monkeypatch.setattr("coldframe.verbs.sweep.sweep", lambda plan, **more: asked.append((plan, more)) or done)
    (tmp_path / "p.toml").write_text("model = 'lite0'\ndata = 'mini:mnist'\nseeds = 2\nshots = 5\n[[runs]]\nmethod = 'knn'\n")
    plan = str(tmp_path / "p.toml")
    sweep(plan, device="cpu")
    assert capsys.readouterr().out.splitlines()[:2] == ["a  b", "x  1"] and saved == []
    kept, more = asked[0]
    assert (kept.model, kept.data, kept.seeds, kept.shots) == ("lite0", ("mini:mnist",), 2, 5)
    assert (more["latency"], more["only"], more["cold"].batch_size, more["out"]) == (False, None, 64, None)
    said = {"model": "pocket", "data": ["a", "b"], "seeds": 3, "shots": 1, "grid": ["k=1,2"], "set_": ["knn.refit=true"]}
    sweep(plan, device="cpu", out=tmp_path, **said)  # type: ignore[arg-type]
    changed = asked[1][0]
    assert (changed.model, changed.data, changed.seeds, changed.shots) == ("pocket", ("a", "b"), 3, 1)
    assert changed.parts[0].grid == {"k": [1, 2]} and changed.parts[0].settings == {"refit": True} and saved == [tmp_path]
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {tmp_path / 'report.html'}"
    sweep(plan, device="cpu", json=True)
    assert json.loads(capsys.readouterr().out) == {"rows": []}
    sweep(plan, device="cpu", only="1/2", out=tmp_path)
    assert capsys.readouterr().out == "" and asked[3][1]["only"] == (1, 2) and saved == [tmp_path]
