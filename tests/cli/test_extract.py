"""The verb extract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coldframe.cli import main
from coldframe.cli.extract import extract

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


def test_a_shard_that_is_not_all_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    layer = {"shape": [4, 2], "dtype": "float32"}
    found: dict[str, Any] = {"layers": {"features": layer}, "n": 1234, "images": 1235, "note": "so"}
    monkeypatch.setattr("coldframe.verbs.extract.extract_data", lambda *words, **more: asked.append(more) or found)
    extract(model="pocket", data="x", out=Path("o"), device="cpu", shard="1/2")
    said = capsys.readouterr()
    assert said.err == "so\n" and said.out.splitlines() == [
        "features: 1,234 x 4 x 2, float32", "shard 1/2 in o: 1,234 of 1,235 images; the last shard to finish merges all",
    ]  # fmt: skip
    found["images"] = 1234
    extract(model="pocket", data="x", out=Path("o"), device="cpu")
    assert capsys.readouterr().out.splitlines()[-1] == f"manifest: {Path('o/manifest.json')}"
    assert (asked[1]["shard"], asked[1]["batch_size"], asked[1]["normalised"]) == ("1/1", 64, False)
