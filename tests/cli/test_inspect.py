"""The verb inspect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coldframe.cli import main


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", *words])
    assert not stopped.value.code


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", *words])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("coldframe: ") and "\n" not in error
    return error


@pytest.mark.shared_data
def test_peppers(capsys: pytest.CaptureFixture[str], shared_data: Path, tmp_path: Path) -> None:
    run("features", "--model", "lite0", str(shared_data / "peppers.jpg"), "--out", str(tmp_path), "--device", "cpu")
    text = capsys.readouterr().out
    assert "block2: maps" in text and "of 24, 56 x 56" in text and (tmp_path / "peppers_features.png").exists()


def test_layers_maps_and_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "ramp.png")
    start = ("features", str(tmp_path / "ramp.png"), "--model", "timm:test_vit/random", "--out", str(tmp_path / "out"))
    run(*start, "--layers", "block1,blocks.2.mlp", "--maps", "2", "--json")
    (row,) = json.loads(capsys.readouterr().out)["images"]
    assert [(layer["layer"], len(layer["channels"])) for layer in row["layers"]] == [("block1", 2), ("blocks.2.mlp", 2)]


def test_filters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run("filters", "--model", "lite0", "--out", str(tmp_path), "--device", "cpu")
    assert "32 filters of 3 x 3 in conv_stem" in capsys.readouterr().out
    assert {"filters.png", "sheet.png", "results.json"} <= {path.name for path in tmp_path.iterdir()}


def test_disagreements_of_two_fits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for method in ("linear-probe", "knn"):
        with pytest.raises(SystemExit):
            main(["fit", method, "--data", "mini:cifar10", "--shots", "2", "--model", "pocket/random",
                  "--out", str(tmp_path / method), "--device", "cpu"])  # fmt: skip
    capsys.readouterr()
    two = (str(tmp_path / "linear-probe"), str(tmp_path / "knn"))
    run("disagreements", *two, "--most", "4", "--out", str(tmp_path / "out"), "--device", "cpu")
    text = capsys.readouterr().out
    assert "linear-probe minus knn: " in text and "McNemar's exact test: p" in text
    assert (tmp_path / "out" / "report.html").exists() and len(list((tmp_path / "out" / "only_a").iterdir())) == 4


def test_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    (tmp_path / "empty").mkdir()
    picture, out = str(tmp_path / "black.png"), ("--out", str(tmp_path / "out"), "--device", "cpu")
    assert "found none" in refused(capsys, "features", *out)
    assert "did you mean 'block3'" in refused(capsys, "features", picture, "--layers", "block33", *out)
    assert "no image in this folder" in refused(capsys, "features", str(tmp_path / "empty"), *out)
    assert "found shape [1, 1280]" in refused(capsys, "features", picture, "--layers", "features", *out)
    model = "timm:naflexvit_base_patch16_gap/random"
    assert "no first convolution over RGB" in refused(capsys, "filters", "--model", model, *out)
    assert "expected the folder of a saved run" in refused(capsys, "disagreements", str(tmp_path), str(tmp_path), *out)
    assert not (tmp_path / "out").exists()


def test_what_is_printed_of_maps_and_filters(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from coldframe.cli import inspect as room

    asked: list[tuple[Any, ...]] = []
    layer = {"layer": "block2", "shape": [24, 56, 28], "channels": [3, 1]}
    row = {"file": "a.png", "layers": [layer], "attention": "none", "figures": ["a_f.png", "a_f.svg", "a_g.png"]}
    found = {"images": [row], "left_out": {}}
    monkeypatch.setattr("coldframe.verbs.inspect.features", lambda *words, **more: asked.append((*words, more)) or found)
    room.features("a.png", out=Path("o"), device="cpu")
    figures = f"  {Path('o/a_f.png')}  {Path('o/a_g.png')}"
    assert capsys.readouterr().out.splitlines() == ["a.png", "  block2: maps 3, 1 of 24, 56 x 28", "  attention: none", figures]
    assert asked[0][0] == "lite0" and (asked[0][2]["maps"], asked[0][2]["most"], asked[0][2]["layers"]) == (5, 10_000, None)
    kernel = {"shape": [32, 3, 5, 7], "model": "lite0", "layer": "conv"}
    monkeypatch.setattr("coldframe.verbs.inspect.filters", lambda *words, **more: kernel)
    room.filters(out=Path("o"), device="cpu")
    assert capsys.readouterr().out == f"lite0: 32 filters of 5 x 7 in conv: {Path('o/filters.png')}\n"
    runs: list[dict[str, Any]] = []
    told = {"sentences": ["one", "two"]}
    monkeypatch.setattr("coldframe.verbs.disagreements.runs", lambda *words, **more: runs.append(more) or told)
    room.disagreements(Path("a"), Path("b"), out=Path("o"), device="cpu")
    assert capsys.readouterr().out.splitlines() == ["one", "two", f"page: {Path('o/report.html')}"]
    assert (runs[0]["most"], runs[0]["cold"].batch_size, runs[0]["seed"]) == (48, 64, None)
