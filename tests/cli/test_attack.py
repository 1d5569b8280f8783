"""``coldframe attack`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from coldframe.cli import main
from coldframe.cli.attack import attack as verb
from coldframe.files import read_json


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["attack", *words])
    assert not stopped.value.code


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["attack", *words])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("coldframe: ") and "\n" not in error
    return error


@pytest.mark.shared_data
def test_peppers_become_a_space_shuttle(capsys: pytest.CaptureFixture[str], shared_data: Path, tmp_path: Path) -> None:
    run(str(shared_data / "peppers.jpg"), "--target", "812", "--eps", "8/255", "--out", str(tmp_path), "--device", "cpu")
    text = capsys.readouterr().out
    assert "bell pepper" in text and "1 of 1 fooled within 8/255" in text
    (row,) = read_json(tmp_path / "results.json")["images"]
    assert (row["class"], row["adversarial_class"]) == ("bell pepper", "space shuttle")
    assert row["adversarial_probability"] >= 0.9 and row["largest_change_of_255"] <= 8
    assert row["survival"]["uint8"]["survived"] and row["survival"]["mirrored"]["clean_class"] == "bell pepper"


def test_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture, out = tmp_path / "grey.png", tmp_path / "out"
    Image.new("RGB", (64, 64), (90, 120, 60)).save(picture)
    start = (str(picture), "--out", str(out), "--device", "cpu")
    assert "found 0" in refused(capsys, *start, "--eps", "0")
    assert "found -0.03" in refused(capsys, *start, "--eps=-8/255")
    assert "found -0.03" in refused(capsys, *start, "--eps", "-8/255")
    assert "8/255" in refused(capsys, *start, "--eps", "8")
    assert "--robust" in refused(capsys, *start, "--samples", "3")
    assert "from 0 to 999, found 1000" in refused(capsys, *start, "--target", "1000", "--model", "lite0")
    assert "did you mean 'space shuttle'" in refused(capsys, *start, "--target", "space shuttel")
    assert "none" in refused(capsys)
    assert not out.exists()


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "ramp.png")
    settings = ("--steps", "1", "--eps", "1/255", "--out", str(tmp_path / "out"), "--device", "cpu")
    run(str(tmp_path / "ramp.png"), *settings, "--json")
    (row,) = json.loads(capsys.readouterr().out)
    assert row["target"] is None and row["largest_change_of_255"] <= 1


def test_two_models_fool_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "ramp.png")
    settings = ("--steps", "1", "--eps", "8/255", "--out", str(tmp_path / "out"), "--device", "cpu")
    run(str(tmp_path / "ramp.png"), "--model", "lite0", "--model", "lite0", *settings)
    said = capsys.readouterr().out
    assert "shown to lite0 (1)" in said and "of those that both models put into one class" in said
    cells = read_json(tmp_path / "out" / "results.json")["cells"]
    assert len(cells) == 4 and len({(cell["asked"], cell["fooled"]) for cell in cells}) == 1


def test_what_is_asked_for_and_how_each_picture_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    seen = {"survived": True}
    row = {
        "file": "a.png", "class": "cat", "probability": 0.987, "adversarial_class": "dog", "adversarial_probability": 0.5,
        "fooled": True, "steps": 7, "survival": {"grey": seen, "JPEG": {"survived": False}},
    }  # fmt: skip
    done = SimpleNamespace(left_out={})
    monkeypatch.setattr("coldframe.verbs.attack.attack_files", lambda *words, **more: asked.append((words, more)) or done)
    monkeypatch.setattr("coldframe.verbs.attack_results.write", lambda done, out, said: asked.append(said) or [1, 2, 3])
    monkeypatch.setattr("coldframe.verbs.attack_results.rows", lambda done: [row, row | {"fooled": False, "file": "b.png"}])
    verb("a.png", "b.png", out=tmp_path, device="cpu")
    assert capsys.readouterr().out.splitlines() == [
        "a.png", "  cat 98.7% -> dog 50.0%   fooled after 7 steps", "  grey yes   JPEG no",
        "b.png", "  cat 98.7% -> dog 50.0%   NOT fooled after 7 steps", "  grey yes   JPEG no",
        f"1 of 2 fooled within 8/255; 3 files in {tmp_path}",
    ]  # fmt: skip
    ((source, images, way, targets), more), said = asked
    assert (source, images, targets) == ("lite0", ("a.png", "b.png"), ()) and more["most"] == 10_000
    assert (way.steps, way.samples, way.seed, way.eps) == (40, 4, 0, pytest.approx(8 / 255))
    assert said["samples"] is None and said["model"] == "lite0" and said["step"] == way.step
    verb("a.png", out=tmp_path, device="cpu", robust=True, samples=7, model=["m"], target=["x"])
    assert asked[2][0][0] == "m" and asked[2][0][3] == ["x"] and asked[2][0][2].samples == 7 and asked[3]["samples"] == 7
    verb("a.png", out=tmp_path, device="cpu", robust=True)
    assert asked[5]["samples"] == 4


def test_several_models_are_a_matrix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = SimpleNamespace(as_dict=lambda: {"asked": 1})
    several = SimpleNamespace(attacked={"m": SimpleNamespace(left_out={"x.png": "no image"})}, cells=[cell])
    monkeypatch.setattr("coldframe.verbs.transfer.transfer", lambda models, *words, **more: several)
    monkeypatch.setattr("coldframe.verbs.transfer.write_all", lambda *words: [1] * 5)
    monkeypatch.setattr("coldframe.verbs.transfer.matrix", lambda done: [["made for", "shown to m"], ["m", "50.0% of 2"]])
    verb("a.png", out=tmp_path, device="cpu", model=["m", "n"], eps="4/255")
    found = capsys.readouterr()
    said = "images fooled within 4/255, of those that both models put into one class"
    assert found.out.splitlines()[-1] == f"{said}; 5 files in {tmp_path}" and "(x.png)" in found.err
    verb("a.png", out=tmp_path, device="cpu", model=["m", "n"], json=True)
    assert json.loads(capsys.readouterr().out) == [{"asked": 1}]
