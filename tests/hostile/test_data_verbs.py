"""Every verb that reads images: one bad file loses no other, and names that are not UTF-8 are printed and written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.cli import main

MODEL = ("--model", "timm:test_vit/random", "--device", "cpu")
ODD = os.fsdecode(b"ros\xff\xe9")
WORDS = {
    "predict": ("predict", *MODEL, "--format", "csv"),
    "figure": ("predict", *MODEL, "--figure", "out/figure.png"),
    "json": ("predict", *MODEL, "--json"),
    "attack": ("attack", *MODEL, "--steps", "1", "--out", "out"),
    "features": ("inspect", "features", *MODEL, "--out", "out"),
    "extract": ("extract", *MODEL, "--out", "out", "--data"),
}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    out, error = capsys.readouterr()
    assert "Traceback" not in error
    return int(stopped.value.code or 0), out, error


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture
def loose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two pictures between three files that are none."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("b.png", "d.png")):
        draw(tmp_path / "loose" / name, number)
    (tmp_path / "loose" / "a.png").write_text("text")
    (tmp_path / "loose" / "c.png").write_bytes((tmp_path / "loose" / "b.png").read_bytes()[:300])
    os.mkfifo(tmp_path / "loose" / "e.png")
    return tmp_path / "loose"


@pytest.mark.parametrize("verb", WORDS)
def test_bad_files_are_skipped_and_counted_or_stop_before_any_work(
    verb: str, capsys: pytest.CaptureFixture[str], loose: Path
) -> None:
    place = str(loose) if verb == "extract" else f"{loose}/*"
    code, _, error = run(capsys, *WORDS[verb], place)
    assert code == 2 and "a.png" in error and error.count("\n") == 1 and not Path("out").exists()
    code, out, error = run(capsys, *WORDS[verb], place, "--on-error", "skip")
    assert code == 0, error
    assert "left out 3 files: 1 not an image, 1 damaged or truncated, 1 not a regular file (" in error
    if verb == "json":
        assert [Path(row["file"]).name for row in json.loads(out)] == ["b.png", "d.png"]
    if verb in ("attack", "features"):
        found = json.loads(Path("out/results.json").read_text())
        assert len(found["images"]) == 2 and len(found["left_out"]) == 3
    if verb == "extract":
        assert np.load("out/features.npy").shape[0] == 2
        assert len(json.loads(Path("out/manifest.json").read_text())["left_out"]) == 3


@pytest.mark.parametrize("verb", WORDS)
def test_names_that_are_not_utf8(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        draw(tmp_path / "loose" / f"{ODD}{number}.png", number)
    code, _, error = run(capsys, *WORDS[verb], "loose" if verb == "extract" else "loose/*")
    assert code == 0, error
    for path in (tmp_path / "out").rglob("*.json") if (tmp_path / "out").exists() else ():
        json.loads(path.read_text(encoding="utf-8"))
    for path in (tmp_path / "out").rglob("*.csv"):
        assert "ros\\udcff" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("datasets",),
        ("zero-shot", "--model", "pocket", "--device", "cpu", "--classes", "dog,cat", "--data"),
        ("fit", "knn", *MODEL, "--k", "1", "--out", "out", "--data"),
        ("compare", *MODEL, "--methods", "knn", "--set", "knn.k=1", "--seeds", "1", "--out", "out", "--json", "--data"),
    ],
    ids=lambda words: str(words[0]),
)
def test_data_sets_with_bad_files_and_odd_names(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        draw(tmp_path / "data" / (ODD if number % 2 else "tulip") / f"{ODD}{number}.png", number)
    (tmp_path / "data" / ODD / "bad.png").write_text("text")
    os.mkfifo(tmp_path / "data" / "tulip" / "pipe.png")
    code, _, error = run(capsys, *words, "data", "--on-error", "skip")
    assert code == 0, error
