"""One fit over two processes of torchrun, as a user starts it; and what several processes cannot share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from coldframe.backbones import load_backbone
from coldframe.cli import main

FIT = (
    "fit", "fine-tune", "--model", "timm:test_resnet/random", "--layers", "all", "--epochs", "2", "--batch-size", "5", "--lr",
    "0.01", "--device", "cpu", "--json",
)  # fmt: skip


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_torchrun_learns_what_one_process_learns(fruit: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "COLDFRAME_CACHE": str(tmp_path / "store"), "OMP_NUM_THREADS": "1"}
    rows = {}
    for name, launch in (("one", ["-m"]), ("two", ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m"])):
        words = [sys.executable, *launch, "coldframe", *FIT, "--data", f"folder:{fruit}", "--out", str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        rows[name] = json.loads(done.stdout)  # the first process alone prints
    one, two = (load_file(tmp_path / name / "adaptation.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys() and len(one) > 10
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    assert rows["one"]["top1"] == rows["two"]["top1"]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in (tmp_path / "two").iterdir()}


@pytest.mark.cluster
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("model", "layers"), [("timm:test_vit/random", "all"), ("timm:test_resnet/random", "last-half")])
def test_shared_weights_learn_what_one_process_learns(model: str, layers: str, fruit: Path, tmp_path: Path) -> None:
    """FSDP2 over two processes by gloo: no process holds the weights whole while it trains, and the saved run is the same."""
    environment = {**os.environ, "COLDFRAME_CACHE": str(tmp_path / "store"), "OMP_NUM_THREADS": "1"}
    # At a rate of 0.01 AdamW makes 2e-5 of the rounding of sums in a transformer whose weights are drawn.
    asked = [{"timm:test_resnet/random": model, "all": layers, "0.01": "0.001"}.get(word, word) for word in FIT]
    found = {}
    for name, launch in (("one", []), ("two", ["torch.distributed.run", "--nproc-per-node", "2", "-m"])):
        words = [sys.executable, "-m", *launch, "coldframe", *asked, *(["--shard-weights"] if launch else [])]
        words += ["--clip", "1", "--margin", "0", "--head", "normal"]
        words += ["--data", f"folder:{fruit}", "--out", str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout), load_file(tmp_path / name / "adaptation.safetensors")
    (row, one), (other, two) = found["one"], found["two"]
    assert one.keys() == two.keys() and len(one) > 10
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    start = dict(load_backbone(model).module.named_parameters())
    moved = [float((one[f"backbone.{name}"] - start[name]).abs().max()) for name in start if f"backbone.{name}" in one]
    assert min(moved) > 1e-4, "nothing was learned"
    assert row["top1"] == other["top1"]
    again = [sys.executable, "-m", "coldframe", "evaluate", str(tmp_path / "two"), "--data", f"folder:{fruit}", "--json"]
    done = subprocess.run(again, capture_output=True, text=True, env=environment, check=False)
    assert json.loads(done.stdout)["top1"] == row["top1"], done.stderr


def test_shared_weights_need_several_processes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(SystemExit) as ended:
        main([*FIT, "--data", "mini:caltech7", "--out", "x", "--shard-weights"])
    assert ended.value.code == 2
    assert "expected several processes of torchrun for --shard-weights, found one" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [
    (("fit", "linear-probe", "--data", "mini:caltech7", "--out", "x"), "expected one process for fit linear-probe, found 2"),
    ((*FIT, "--data", "mini:caltech7", "--out", "x", "--refit"), "expected no --refit beside torchrun"),
    (("compare",), "expected one process for compare, found 2 of torchrun"),
    (("sweep", "knn", "--data", "mini:caltech7"), "expected one process for sweep, found 2 of torchrun"),
])  # fmt: skip
@pytest.mark.parametrize("rank", ["0", "1"])
def test_what_several_processes_cannot_share(
    words: tuple[str, ...], said: str, rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert said in printed if rank == "0" else not printed
