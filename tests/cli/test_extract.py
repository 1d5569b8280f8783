"""The verb extract."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.cli import main

MODEL = ("extract", "--model", "timm:test_resnet/random", "--device", "cpu")


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """Return a folder of five pictures."""
    (tmp_path / "loose").mkdir()
    for number in range(5):
        Image.new("RGB", (50, 40), (50 * number, 99, 7)).save(tmp_path / "loose" / f"{number}.png")
    return tmp_path / "loose"


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*MODEL, *words])
    assert (stopped.value.code or 0) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_shards_resume_and_merge(capsys: pytest.CaptureFixture[str], loose: Path, tmp_path: Path) -> None:
    place = ("--data", str(loose), "--out", str(tmp_path / "out"), "--layers", "features,block1")
    assert "shard 2/2 in" in run(capsys, *place, "--shard", "2/2")
    text = run(capsys, *place, "--shard", "1/2")
    assert "features: 5 x " in text and "block1: 5 x " in text and "manifest.json" in text
    manifest = json.loads(run(capsys, *place, "--json"))
    assert manifest["n"] == 5 and manifest["shards"] == 2
    assert np.load(tmp_path / "out" / "features.npy").shape[0] == 5


def test_bad_input(capsys: pytest.CaptureFixture[str], loose: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = ("--out", str(tmp_path / "out"))
    for words, expected in (
        (("--data", str(loose), "--shard", "3/2"), "such as 2/4, found '3/2'"),
        (("--data", str(loose), "--shard", "1/9"), "n <= 5 images"),
        (("--data", str(loose), "--layers", "block99"), "no cut 'block99'; did you mean"),
        (("--data", str(tmp_path / "empty")), "found none in it"),
        (("--data", str(tmp_path / "nowhere")), "expected a data set"),
        (("--data", str(loose), "--batch", "0"), "--batch: expected a whole number from 1 to 65,536, found 0"),
    ):
        error = run(capsys, *words, *out, code=2)
        assert expected in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
