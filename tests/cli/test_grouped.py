"""Groups on the command line: what must stand beside --cluster and --only, and groups that together are the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweeping import SWEEP, timeless

from coldframe.cli import main


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_what_must_stand_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert "expected --out, a folder that all machines see" in said([*SWEEP, "--cluster", "slurm"], capsys)
    assert "expected --out, a folder that all machines see" in said(["compare", "--only", "1/2"], capsys)
    assert "leave one out" in said([*SWEEP, *out, "--cluster", "slurm", "--only", "1/2"], capsys)
    assert "expected no --budget" in said(["compare", *out, "--only", "1/2", "--budget", "1min"], capsys)
    assert "such as 2/4" in said(["compare", *out, "--only", "3/2"], capsys)
    assert "expected a cluster slurm" in said(["compare", *out, "--cluster", "dask"], capsys)
    shard = ["--model", "pocket", "--data", "mini:caltech7", "--cluster", "slurm", "--shard", "1/2"]
    assert "--shard, which is what --cluster runs" in said(["extract", *out, *shard], capsys)
    assert "--shard, which is what --cluster runs" in said(["prepare", *shard], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [
    pytest.param(("sweep", "linear-probe", "--grid", "l2=0.1,1"), marks=pytest.mark.slow),
    ("compare", "--methods", "knn,ncm", "--no-refit", "--unknown", "none"),
])  # fmt: skip
def test_groups_together_are_the_whole(words: tuple[str, ...], fruit: Path, say: Callable[..., Any], tmp_path: Path) -> None:
    data = ["--data", f"folder:{fruit}", "--model", "pocket", "--shots", "2", "--seeds", "2"]
    asked = [*words, *data, "--device", "cpu", "--json"]
    whole = json.loads("\n".join(say(*asked, "--out", tmp_path / "whole").out))["rows"]
    for only in ("0/2", "2/2", "1/2"):
        assert say(*asked, "--out", tmp_path / "parts", "--only", only).out == []
        assert len(list((tmp_path / "parts").rglob("result.json"))) == {"0/2": 0, "2/2": 2, "1/2": len(whole) // 3 * 2}[only]
    fits = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("result.json")}
    parts = json.loads("\n".join(say(*asked, "--out", tmp_path / "parts").out))["rows"]
    assert {path: path.stat().st_mtime_ns for path in fits} == fits, "a finished fit was run again"
    assert [timeless(row) for row in parts] == [timeless(row) for row in whole]
