"""``coldframe sweep`` to its end, as a user sees it: a line a cell, and the folder with the heat map."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path


def test_a_sweep_prints_a_line_a_cell_and_leaves_tables_and_maps(
    fruit: Path, say: Callable[..., object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["sweep", "deep-prompt", "--data", f"folder:{fruit}", "--grid", "tokens=1,2", "--grid", "layer=10,11"]
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
