"""What a comparison leaves in its folder: named fits, the recommended method in best/, an answer to every image."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured
from PIL import Image

import coldframe
from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.data.base import Dataset
from coldframe.errors import InputError, TrainingError
from coldframe.methods import Method, load, method_class
from coldframe.report import save_report
from coldframe.training.checkpoint import NAME as CHECKPOINT
from coldframe.verbs.compare import compare
from coldframe.verbs.evaluate import measure_run
from coldframe.verbs.hand_over import claim, fit_folder

DATA = Dataset("coloured", coloured(24, 0, "train"), coloured(12, 1, "val"), coloured(12, 2, "test"))


def methods(backbone: TinyBackbone) -> list[Method]:
    return [method_class("knn")(backbone, k=1), method_class("linear-probe")(backbone)]


def test_best_is_the_recommended_method_refitted_and_everything_says_so(tmp_path: Path) -> None:
    backbone, cold, out = TinyBackbone(width=12), ColdPass(Store(tmp_path / "store")), tmp_path / "out"
    table = compare(methods(backbone), DATA, seeds=2, cold=cold, out=out, latency=False)
    assert {place.name for place in (out / "fits").iterdir()} == {
        f"{name}-seed{seed}" for name in ("knn", "linear-probe") for seed in (0, 1)
    }
    best = load(out, backbone)
    assert best.name == table.handed["method"] and best.choices["refit on train and val"]
    fitted = method_class(best.name)(backbone, **best.config()).fit(DATA.train, DATA.val, cold=cold, refit=True)
    torch.testing.assert_close(best.logits(DATA.test, cold=cold), fitted.logits(DATA.test, cold=cold), rtol=0, atol=0)
    assert table.handed["top1"] == best.score(DATA.test, cold=cold)
    measured = load(out / table.handed["fit"], backbone)
    assert "refit on train and val" not in measured.choices
    assert table.handed["measured_top1"] == measured.score(DATA.test, cold=cold)
    save_report(table, out)
    results = json.loads((out / "results.json").read_text())
    assert results["handed"]["folder"] == "best" and results["rows"][0]["folder"] == "fits/knn-seed0"
    for name in ("report.html", "results.md"):
        text = (out / name).read_text()
        assert "refitted on train and validation" in text and "coldframe predict PHOTOS --run" in text

    # The same again takes all of it up; without the refit it is the fit as it was measured.
    stamp = (out / "best" / "adaptation.json").stat().st_mtime_ns
    again = compare(methods(backbone), DATA, seeds=2, cold=cold, out=out, latency=False)
    assert again.handed == table.handed and (out / "best" / "adaptation.json").stat().st_mtime_ns == stamp
    plain = compare(methods(backbone), DATA, seeds=2, cold=cold, out=out, latency=False, refit=False)
    assert not plain.handed["refit"] and plain.handed["top1"] == plain.handed["measured_top1"]
    torch.testing.assert_close(load(out, backbone).logits(DATA.test, cold=cold), measured.logits(DATA.test, cold=cold))


def test_a_refit_that_fails_hands_over_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, cold = TinyBackbone(width=12), ColdPass(Store(tmp_path / "store"))

    def fails(self: Method, *args: object, **kwargs: object) -> Method:
        raise TrainingError("expected the loss to stay finite, found nan")

    monkeypatch.setattr(Method, "refitted", fails)
    table = compare(methods(backbone), DATA, seeds=1, cold=cold, out=tmp_path / "out", latency=False)
    assert not table.handed["refit"] and any("could not be refitted" in note for note in table.notes)
    assert load(tmp_path / "out", backbone).score(DATA.test, cold=cold) == table.handed["top1"]


def test_predictions_and_paths_below_the_data(tmp_path: Path) -> None:
    for number in range(24):
        (tmp_path / "flowers" / "abc"[number % 3]).mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (20, 20), (number, 90 * (number % 3), 0))
        picture.save(tmp_path / "flowers" / "abc"[number % 3] / f"{number}.png")
    spec, backbone, cold = f"folder:{tmp_path / 'flowers'}", TinyBackbone(width=12), ColdPass(Store(tmp_path / "store"))
    table = compare(methods(backbone), spec, seeds=1, cold=cold, out=tmp_path / "out", latency=False)
    lines = list(csv.DictReader((tmp_path / "out" / "fits" / "knn-seed0" / "predictions.csv").read_text().splitlines()))
    data = load_dataset(spec)
    assert list(lines[0]) == ["path", "true", "predicted", "probability", "margin", "correct"]
    shown = [Path(data.test.images.name(row)) for row in range(len(lines))]
    assert [tmp_path / "flowers" / line["path"] for line in lines] == shown
    knn = load(tmp_path / "out" / "fits" / "knn-seed0", backbone)
    odds = knn.predict_proba(data.test, cold=cold).numpy()
    best = np.sort(odds, axis=1)
    for row, line in enumerate(lines):
        assert line["true"] == data.classes[data.test.labels[row]] and line["predicted"] == data.classes[odds[row].argmax()]
        assert float(line["probability"]) == pytest.approx(best[row, -1], abs=1e-6)
        assert float(line["margin"]) == pytest.approx(best[row, -1] - best[row, -2], abs=1e-6)
        assert line["correct"] == str(odds[row].argmax() == data.test.labels[row]).lower()
    assert sum(line["correct"] == "true" for line in lines) / len(lines) == table.rows[0]["top1"]
    assert all(not Path(image.name).is_absolute() for image in table.hardest)
    done = measure_run(knn, data, "all", cold=cold)
    assert done.row["n"] == 24 and len(done.predictions.splitlines()) == 25
    assert coldframe.load(tmp_path / "out", backbone).name == table.handed["method"]


def test_a_folder_belongs_to_one_fit_and_another_of_the_name_gets_a_number(tmp_path: Path) -> None:
    backbone = TinyBackbone(width=12)

    def folder(k: int, **more: Any) -> str:
        method = method_class("knn")(backbone, k=k)
        return fit_folder(tmp_path, "knn seed 0", method, DATA, more.pop("storage", "fp32"), **more).name

    assert [folder(1), folder(2), folder(3), folder(2), folder(1)] == [
        "knn-seed-0", "knn-seed-0-2", "knn-seed-0-3", "knn-seed-0-2", "knn-seed-0",
    ]  # fmt: skip
    assert folder(1, storage="bf16") == "knn-seed-0-4" and folder(1, choose="loo") == "knn-seed-0-5"
    assert folder(1, choose="val") == "knn-seed-0"
    (tmp_path / "fits" / "knn-seed-0-6").mkdir()
    assert folder(9) == "knn-seed-0-7", "a folder without its digest is somebody else's"


def test_an_unfinished_fit_of_other_settings_is_refused_and_a_finished_one_gives_way(tmp_path: Path) -> None:
    one, other = (method_class("knn")(TinyBackbone(), k=k) for k in (1, 2))
    for method in (one, other, one):
        claim(tmp_path / "a", method, DATA)
    (tmp_path / "a" / CHECKPOINT).write_bytes(b"")
    claim(tmp_path / "a", one, DATA)
    with pytest.raises(InputError):
        claim(tmp_path / "a", other, DATA)
    (tmp_path / "a" / "fit.json").unlink()
    claim(tmp_path / "a", other, DATA)
    assert json.loads((tmp_path / "a" / "fit.json").read_text())["key"] == other.key(DATA.train, DATA.val)
