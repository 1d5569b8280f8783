"""``coldframe attack`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from coldframe.cli import main
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
