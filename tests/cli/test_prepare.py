"""The verb prepare: alone, by shards, and under torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coldframe.cli import main

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
