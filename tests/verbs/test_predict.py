"""Top-k predictions of files, folders and globs, and their figure."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import tiny_clip
from PIL import Image

from coldframe.cli import main
from coldframe.data.places import find_files
from coldframe.errors import InputError
from coldframe.evaluation.classifiers import FOLDED_FROM
from coldframe.methods.calibrated import HeldOut
from coldframe.types import Preprocess
from coldframe.verbs.answer_file import answer_file
from coldframe.verbs.predict import MOST_DRAWN, Prediction, draw, predict


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Return a folder with three pictures, one of them deeper."""
    (tmp_path / "album" / "deep").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("b.png", "a.jpg", "deep/c.png"):
        picture = generator.integers(0, 256, (50, 40, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "album" / name)
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    return tmp_path / "album"


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *words])
    assert not stopped.value.code


def test_files_folders_and_globs_each_once(album: Path) -> None:
    names = [path.name for path in find_files([album / "b.png", album, str(album / "**" / "*.png")])]
    assert names == ["b.png", "a.jpg", "c.png"]


def test_batches_do_not_matter_and_the_head_is_the_models_own(album: Path) -> None:
    from coldframe.backbones import load_backbone

    backbone = load_backbone("timm:test_resnet/random")
    one, many = (predict(backbone, [album], top=4, batch_size=size) for size in (1, 8))
    assert [p.classes for p in one] == [p.classes for p in many] and len(one) == 3
    torch.testing.assert_close(torch.tensor([p.probabilities for p in one]), torch.tensor([p.probabilities for p in many]))
    assert all(p.probabilities == tuple(sorted(p.probabilities, reverse=True)) for p in one)


def test_table_json_csv_and_figure_tell_the_same(capsys: pytest.CaptureFixture[str], album: Path, tmp_path: Path) -> None:
    words = (str(album), "--model", "timm:test_resnet/random", "--top", "2", "--device", "cpu")
    run(*words, "--json")
    found = json.loads(capsys.readouterr().out)
    run(*words, "--format", "csv")
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [line["class"] for line in lines] == [top["class"] for row in found for top in row["top"]]
    run(*words, "--figure", str(tmp_path / "figure.png"))
    text = capsys.readouterr().out
    assert found[0]["top"][0]["class"] in text and f"figure: {tmp_path / 'figure.png'}" in text
    assert (tmp_path / "figure.png").stat().st_size > 1000 and (tmp_path / "figure.svg").exists()


def test_a_figure_holds_so_many(album: Path, tmp_path: Path) -> None:
    many = [Prediction(str(album / "b.png"), ("a", "b"), (0.9, 0.1))] * (MOST_DRAWN + 3)
    png, svg = draw(many, tmp_path / "many")
    assert png.exists() and svg.read_text().count("<image") == MOST_DRAWN


def test_files_of_answers_hold_what_the_run_says_and_leave_out_what_is_unsure(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq
    from fakes import coloured

    from coldframe.backbones import load_backbone
    from coldframe.methods import method_class

    probe = method_class("linear-probe")(load_backbone("timm:test_resnet/random"))
    probe.fit(coloured(18, 0, "train"), coloured(12, 1, "val")).save(tmp_path / "run")
    odds = probe.predict_proba(album)
    expected = [probe.classes[k] for k in odds.argmax(1).tolist()]
    words = (str(album), "--run", str(tmp_path / "run"), "--device", "cpu")
    for ending in ("csv", "jsonl", "parquet"):
        run(*words, "--out", str(tmp_path / f"a.{ending}"), "--batch", "2")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [line["class"] for line in lines] == expected == [row["class"] for row in table] == [row["class"] for row in rows]
    assert [Path(line["path"]).name for line in lines] == ["a.jpg", "b.png", "c.png"]
    torch.testing.assert_close(torch.tensor([row["probability"] for row in table]), odds.max(1).values)

    # Of the validation answers those from 0.9 on are all right; only a picture that is as sure gets a class.
    probe.validated = HeldOut(torch.tensor([0.9, 0.3]), torch.tensor([True, False]))
    probe.save(tmp_path / "run")
    run(*words, "--out", str(tmp_path / "b.jsonl"), "--abstain", "1")
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [line["class"] is None for line in lines] == (odds.max(1).values < 0.9).tolist()
    for wrong, said in (
        ((*words, "--abstain", "1"), "--out beside --abstain"),
        ((str(album), "--abstain", "0.9", "--out", "c.csv"), "a saved run with --abstain"),
        ((*words, "--fit", "pad"), "--run or --fit, found both"),
        ((str(album), "--model", "timm:test_resnet/random", "--fit", "as-is"), "to take as it is, found 40 x 50"),
        ((*words, "--out", "c.txt"), "ending in .csv"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["predict", *wrong])
        assert stopped.value.code == 2 and said in capsys.readouterr().err


def test_a_run_keeps_the_way_its_pictures_became_square(album: Path, tmp_path: Path) -> None:
    from fakes import coloured

    from coldframe.backbones import load_backbone
    from coldframe.methods import load, method_class

    padded = load_backbone("timm:test_resnet/random", fit="pad")
    probe = method_class("linear-probe")(padded).fit(coloured(18, 0, "train"), coloured(12, 1, "val"))
    back = load(probe.save(tmp_path / "run"))
    assert back.backbone.preprocess.mode == "pad"
    torch.testing.assert_close(back.predict_proba(album), probe.predict_proba(album))
    plain = load_backbone("timm:test_resnet/random")
    assert plain.preprocess.mode == "crop" and plain.preprocess.pixel_digest() != padded.preprocess.pixel_digest()


def test_a_model_without_a_classifier_is_refused_before_any_file_is_looked_for(tmp_path: Path) -> None:
    def seen(*_: object) -> None:
        raise AssertionError("files were looked for")

    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="has no classifier of its own"):
        predict(tiny_clip(), [tmp_path], seen=seen)
    with pytest.raises(InputError, match="has no classifier of its own"):
        answer_file(tiny_clip(), [tmp_path], tmp_path / "answers.csv", seen=seen)


NAMES = ("ash", "beech", "cedar")
ODDS = [[0.2, 0.7, 0.1], [0.4, 0.3, 0.3], [0.25, 0.25, 0.5]]


class Told(SimpleNamespace):
    """A backbone of 16 pixels with a name."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let a model with written-out answers stand for any other, and return what it was asked for."""
    asked: dict[str, Any] = {"batches": []}
    backbone = Told(name="told", preprocess=Preprocess(16, 16, (0.5,) * 3, (0.5,) * 3))

    def call(pixels: torch.Tensor) -> torch.Tensor:
        start = sum(asked["batches"])
        asked["batches"].append(len(pixels))
        return torch.tensor(ODDS[start : start + len(pixels)])

    def classifier(source: object, *, device: str, download: bool, images: int = 0) -> Any:
        asked["images"] = images
        return call, NAMES, backbone

    for module in ("predict", "answer_file"):
        monkeypatch.setattr(f"coldframe.verbs.{module}.classifier", classifier)
    return asked


def test_classes_come_best_first_in_batches_and_a_folder_counts_as_many(
    album: Path, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [album / "a.jpg", album / "b.png", album / "deep" / "c.png"]
    left: dict[str, str] = {}
    found = predict("x", files, top=2, batch_size=2, left=left)
    assert model["batches"] == [2, 1] and model["images"] == 3 and not left
    assert [one.classes for one in found] == [("beech", "ash"), ("ash", "beech"), ("cedar", "ash")]
    assert found[0].probabilities == (pytest.approx(0.7), pytest.approx(0.2)) and found[0].set is found[0].labels is None
    model["batches"].clear()
    assert [len(one.classes) for one in predict("x", [album], top=9)] == [3] * 3
    assert model["images"] == FOLDED_FROM and model["batches"] == [3]
    with pytest.raises(InputError, match="expected top of 1 or more, found 0"):
        predict("x", files, top=0)
    model["batches"].clear()
    monkeypatch.setattr("coldframe.verbs.predict.thresholds_of", lambda source: [0.25, 0.3, 0.1])
    assert [one.labels for one in predict("x", files)] == [("beech", "cedar"), ("ash", "beech", "cedar"), ("ash", "cedar")]
    with pytest.raises(InputError, match="one label per image for conformal sets"):
        predict("x", files, conformal=0.0)


def test_labels_and_classes_in_a_file_of_answers(
    album: Path, model: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.csv"
    assert answer_file("x", [album], out, batch_size=2) == (3, 0, 0.0) and model["batches"] == [2, 1]
    lines = [line.split(",")[1:] for line in out.read_text().splitlines()]
    assert lines == [["class", "probability"], ["beech", "0.700000"], ["ash", "0.400000"], ["cedar", "0.500000"]]
    model["batches"].clear()
    monkeypatch.setattr("coldframe.verbs.answer_file.means_run", lambda source: True)
    monkeypatch.setattr("coldframe.verbs.answer_file.thresholds_of", lambda source: [])
    validated = SimpleNamespace(threshold=lambda share: 0.5)
    monkeypatch.setattr("coldframe.verbs.answer_file.load", lambda source, **_: validated)
    assert answer_file("x", [album], out, abstain=0.9) == (3, 1, 0.5)
    assert [line.split(",")[1] for line in out.read_text().splitlines()] == ["class", "beech", "", "cedar"]
    model["batches"].clear()
    monkeypatch.setattr("coldframe.verbs.answer_file.thresholds_of", lambda source: [0.25, 0.3, 0.1])
    assert answer_file("x", [album], tmp_path / "b.csv", batch_size=2) == (3, 0, 0.0)
    assert [line.split(",")[1:] for line in (tmp_path / "b.csv").read_text().splitlines()] == [
        ["labels", "probabilities"], ["beech|cedar", "0.700000|0.100000"],
        ["ash|beech|cedar", "0.400000|0.300000|0.300000"], ["cedar|ash", "0.500000|0.250000"],
    ]  # fmt: skip
    for words in ({"abstain": 0.0}, {"conformal": 0.0}):
        with pytest.raises(InputError, match="one label per image for --abstain and --conformal"):
            answer_file("x", [album], out, **words)


def test_pictures_are_drawn_small_with_short_names(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("coldframe.report.figures.predictions.prediction_figure", lambda *words: drawn.append(words))
    monkeypatch.setattr("coldframe.report.figures.style.save_figure", lambda figure, path: [path])
    large = tmp_path / f"{'n' * 40}.png"
    Image.new("RGB", (960, 480)).save(large)
    draw([Prediction(str(large), ("a", "b"), (0.9, 0.1)), Prediction(str(album / "b.png"), ("a",), (0.5,))], tmp_path / "f")
    pictures, tops, titles = drawn[0]
    assert [picture.shape for picture in pictures] == [(240, 480, 3), (50, 40, 3)]
    assert tops == [[("a", 0.9), ("b", 0.1)], [("a", 0.5)]] and [len(title) for title in titles] == [30, 5]
