"""Several labels per image and ranks from the command line: every verb that reads them, to its end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import CLASSES
from PIL import Image
from tagged import LAYOUTS, TAGS, in_several_folders, save

from coldframe.cli import main

NAMES = ("red", "green", "blue")


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    said = capsys.readouterr()
    assert (stopped.value.code or 0) == code, said.err
    return said.out if code == 0 else said.err


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """Return a table of 40 pictures that are bright in the channels of their labels."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(40):
        tags = generator.random(3) < 0.5
        picture = (generator.integers(0, 110, (20, 20, 3)) + 120 * tags).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", "|".join(name for name, one in zip(NAMES, tags, strict=True) if one)))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "tags"), *rows])
    return tmp_path / "labels.csv"


def test_compare_says_map_with_an_interval_and_hands_over_what_predict_reads(
    capsys: pytest.CaptureFixture[str], tagged: Path, tmp_path: Path
) -> None:
    data, out = f"csv:{tagged}?label=tags", str(tmp_path / "out")
    said = run(capsys, "compare", "--data", data, "--methods", "zero-shot,linear-probe", "--seeds", "2", "--out", out)
    head = next(line for line in said.splitlines() if line.startswith("method"))
    assert head.split()[1:5] == ["mAP", "interval", "micro", "F1"] and "top-1" not in head
    said = " ".join(said.split())
    assert "% mAP" in said and "paired difference" in said and "mAP on the test images" in said
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {row["method"] for row in found["rows"]} == {"zero-shot", "linear-probe"} and len(found["comparisons"]) == 1
    assert all(0 < row["map"] <= 1 and row["top1"] is None for row in found["rows"])
    assert "mAP" in (tmp_path / "out" / "report.html").read_text()
    fits = sorted(place.name for place in (tmp_path / "out" / "fits").iterdir())
    assert (tmp_path / "out" / "fits" / fits[0] / "predictions.csv").read_text().startswith("path,true,predicted,")

    picture = str(tagged.parent / "1.png")
    one = json.loads(run(capsys, "predict", picture, "--run", out, "--json"))[0]
    assert set(one["labels"]) <= set(NAMES) and len(one["top"]) == 3
    assert "labels: " in run(capsys, "predict", picture, "--run", out)
    run(capsys, "predict", picture, "--run", out, "--out", str(tmp_path / "a.jsonl"))
    line = json.loads((tmp_path / "a.jsonl").read_text())
    ordered = [top["class"] for top in one["top"] if top["class"] in one["labels"]]
    assert list(line) == ["path", "labels", "probabilities"] and line["labels"] == "|".join(ordered)
    row = json.loads(run(capsys, "evaluate", out, "--data", data, "--split", "all", "--json"))
    assert row["n"] == 40 and row["map"] > 0.5 and set(row["intervals"]) == {"map"}
    assert "one label per image" in run(capsys, "predict", picture, "--run", out, "--conformal", "0.9", code=2)
    assert "expected several labels" in run(capsys, "evaluate", out, "--data", "mini:caltech7", code=2)


def test_other_verbs_read_them_or_refuse(capsys: pytest.CaptureFixture[str], tagged: Path, tmp_path: Path) -> None:
    data = f"csv:{tagged}"
    row = json.loads(
        run(capsys, "fit", "linear-probe", "--data", data, "--out", str(tmp_path / "fit"), "--balance", "loss", "--json")
    )
    assert row["map"] > 0.5 and 0 <= row["macro_f1"] <= 1
    assert "several labels per image" in run(capsys, "datasets", data)
    assert "mAP" in run(capsys, "zero-shot", "--data", data)
    for words in (
        ["check", data, "--model", "none", "--out", str(tmp_path / "check")],
        ["compare", "--data", data, "--methods", "knn"],
    ):
        assert "one label per image" in run(capsys, *words, code=2)
    assert "expected no noise" in run(capsys, "compare", "--data", data, "--methods", "linear-probe", "--noise", "0.1", code=2)


EVERY = (*LAYOUTS, in_several_folders)


def walked(capsys: pytest.CaptureFixture[str], data: str, run_in: str, folder: Path) -> None:
    """Assert that a fitted run answers, and that features are written with the labels of each picture."""
    row = json.loads(run(capsys, "evaluate", run_in, "--data", data, "--split", "all", "--json"))
    assert row["n"] in (len(TAGS), sum(map(bool, TAGS))) and row["map"] > 0.95
    found = json.loads(run(capsys, "predict", str(save(folder / "3.png", 3)), "--run", run_in, "--json"))[0]
    assert {top["class"] for top in found["top"]} == set(CLASSES) and set(found["labels"]) == {"cat", "dog"}
    run(capsys, "extract", "--model", "pocket", "--data", data, "--out", str(folder / "x"))
    labels, lines = np.load(folder / "x" / "labels.npy"), (folder / "x" / "images.csv").read_text().splitlines()
    assert labels.shape == (row["n"], 3) and labels.dtype == bool and len(lines) == row["n"] + 1
    seen = list(csv.DictReader(lines))
    assert [one["class"] for one in seen] == ["|".join(np.array(CLASSES)[held]) for held in labels]


def test_pictures_in_several_folders_from_fit_to_features(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, out = in_several_folders(tmp_path / "data"), str(tmp_path / "run")
    run(capsys, "fit", "linear-probe", "--data", data, "--out", out)
    walked(capsys, data, out, tmp_path / "more")


@pytest.mark.slow
@pytest.mark.parametrize("layout", EVERY, ids=lambda layout: layout.__name__)
def test_every_layout_in_every_verb(capsys: pytest.CaptureFixture[str], layout: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data, out = layout(tmp_path / "data"), str(tmp_path / "run")
    assert "several labels per image" in run(capsys, "datasets", data)
    said = run(capsys, "compare", "--data", data, "--fast", "--out", out)
    assert "mAP" in said and "predict PHOTOS --run" in said
    walked(capsys, data, out, tmp_path / "more")
    served = run(capsys, "export", out, "--out", str(tmp_path / "model.onnx"))
    assert "largest difference from coldframe" in served


def test_ranks_are_measured_and_balance_reaches_every_method(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for number in range(45):
        grade = number % 3
        picture = (generator.integers(0, 60, (20, 20, 3)) + 90 * grade).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"p{number}.png")
        rows.append((f"p{number}.png", grade))
    with (tmp_path / "grades.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "grade"), *rows])
    data = f"csv:{tmp_path / 'grades.csv'}?label=grade"
    assert "?targets=ranks" in run(capsys, "datasets", data)
    words = ["--methods", "linear-probe,fine-tune", "--seeds", "1", "--epochs", "1", "--balance", "loss", "--unknown", "none"]
    found = json.loads(run(capsys, "compare", "--data", f"{data}&targets=ranks", *words, "--json"))
    for row in found["rows"]:
        assert row["kappa"] <= 1 and row["rank_error"] >= 0 and -1 <= row["spearman"] <= 1
    assert all("balance='loss'" in said for said in found["about"]["settings"].values())
