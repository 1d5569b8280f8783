"""The verb prepare: alone, by shards, and under torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coldframe.cli import main
from coldframe.cli.prepare import prepare
from coldframe.cold.units import UnitReport

WORDS = ("prepare", "--model", "timm:test_resnet/random", "--data", "mini:caltech7", "--device", "cpu", "--unit", "100")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as stopped:
        main([*WORDS, "--json", *words])
    assert not stopped.value.code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_shards_share_the_units(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLDFRAME_CACHE", str(tmp_path))
    first, second = (run(capsys, "--shard", f"{i}/2", "--layers", "features,block1") for i in (1, 2))
    whole = run(capsys, "--layers", "features,block1")
    assert whole["before"] == whole["units"] == int(str(first["done"])) + int(str(second["done"])) and not whole["done"]


@pytest.mark.cluster
def test_torchrun_is_the_same_code(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLDFRAME_CACHE", str(tmp_path))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "coldframe", *WORDS]
    done = subprocess.run(launch, capture_output=True, text=True, env={**os.environ, "COLDFRAME_CACHE": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "worker 1 of 2: " in done.stdout and "worker 2 of 2: " in done.stdout
    found = run(capsys)
    assert found["before"] == found["units"] and not found["done"]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (UnitReport(units=9, done=2, before=3, elsewhere=1, images=1500, seconds=3.0, bytes=2_600_000),
         "2 units done, 3 were done before, 1 are another process's of 9 in all; 1,500 images, 3 MB in 3.0 s, 500.0 images/s"),
        (UnitReport(units=1234, done=0), "0 units done of 1,234 in all; 0 images, 0 MB in 0.0 s"),
    ],
)  # fmt: skip
def test_a_worker_says_what_it_did(
    report: UnitReport, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("coldframe.verbs.prepare.prepare_data", lambda *words, **more: asked.append(more) or report)
    prepare(model="pocket", data="mini:mnist", device="cpu", shard="2/3")
    assert capsys.readouterr().out == f"worker 2 of 3: {said}\n"
    assert (asked[0]["worker"], asked[0]["size"], asked[0]["patience"], asked[0]["flip"]) == ((2, 3), 4096, 60.0, False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    prepare(model="pocket", data="mini:mnist", device="cpu")
    assert asked[1]["worker"] == (1, 1)
