"""What a row says of trust follows from the answers alone, is kept with the run, and is told by every verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, pictures
from PIL import Image

from coldframe import measures
from coldframe.cli import main
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.evaluation.row import evaluate
from coldframe.evaluation.trust import trust
from coldframe.evaluation.unknown import Strangers, Unknown, evenly, unknown_images
from coldframe.measures import conformal
from coldframe.measures.temperature import temperature
from coldframe.methods import load, method_class
from coldframe.methods.few_shot import FewShot
from coldframe.methods.folds import numbered
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.ridge import Ridge
from coldframe.report import Table
from coldframe.report.page import page
from coldframe.results.columns import columns, trust_tables
from coldframe.results.verdict import verdict

DATA = Dataset("colours", coloured(30, 0, "train"), coloured(15, 1, "val"), coloured(21, 2, "test"), "made here")


@pytest.fixture
def cold(tmp_path: Path) -> ColdPass:
    return ColdPass(Store(tmp_path / "store"))


def test_the_temperature_is_that_of_the_validation_images_and_is_kept(
    cold: ColdPass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = LinearProbe(TinyBackbone(width=8)).fit(DATA.train, DATA.val, cold=cold)
    assert few.divisor == 1  # a handful of validation images does not show that another one helps
    monkeypatch.setattr("coldframe.methods.calibrated.worthwhile", lambda *_: True)
    probe = LinearProbe(TinyBackbone(width=8)).fit(DATA.train, DATA.val, cold=cold)
    spare = probe.spare_logits(DATA.train, cold)
    assert spare is not None
    every = torch.cat([probe.logits(DATA.val, cold=cold), spare[0]])
    expected = temperature(every, np.concatenate([DATA.val.labels, DATA.train.labels]))
    assert probe.divisor == pytest.approx(expected) != 1
    logits = probe.logits(DATA.test, cold=cold)
    torch.testing.assert_close(probe.predict_proba(DATA.test, cold=cold), (logits / expected).softmax(-1))
    back = load(probe.save(tmp_path / "run"), TinyBackbone(width=8))
    assert back.divisor == probe.divisor and back.validated is not None
    for kind in conformal.KINDS:
        torch.testing.assert_close(back.validated.conformity[kind], probe.validated.conformity[kind])  # type: ignore[union-attr]
    refit = probe.refitted(DATA.train, DATA.val, cold=cold)
    assert refit.divisor == probe.divisor  # chosen before the validation images were learned


@pytest.mark.parametrize("settings", [{}, {"normalise": "standard"}, {"solver": "ridge"}, {"balance": "loss"}])
def test_spare_logits_are_those_of_probes_without_the_image(settings: dict[str, Any], cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    probe = LinearProbe(backbone, **settings).fit(DATA.train, DATA.val, cold=cold)
    found, labels = probe.spare_logits(DATA.train, cold)  # type: ignore[misc]
    assert labels.tolist() == DATA.train.labels.tolist()
    fold = numbered(labels, 10).numpy()
    for number in range(10):
        out = np.flatnonzero(fold == number)
        others = DATA.train.subset(np.flatnonzero(fold != number))
        alone = LinearProbe(backbone, **settings, refit=False).again(l2=probe.choices["l2"])
        alone._chosen = probe._chosen
        alone.classes = others.classes
        alone._solve(others, cold)
        torch.testing.assert_close(found[out], alone.logits(DATA.train.subset(out), cold=cold), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "settings"), [
    ("ridge", {"penalty": 0.3}), ("gda", {"shrinkage": 2.0}), ("kernel-ridge", {"penalty": 0.1, "beta": 2.0}), ("ncm", {}),
    ("ridge", {"penalty": 0.3, "augment": "flip"}), ("knn", {"k": 3}),
])  # fmt: skip
def test_spare_logits_are_those_of_a_fit_without_the_images(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    backbone, kind = TinyBackbone(width=8), method_class(name)
    alone = {"alpha": 1.0, "choose": "val"} if issubclass(kind, FewShot) else {}
    fitted = kind(backbone, **settings, **alone).fit(DATA.train, DATA.val, cold=cold)
    found, labels = fitted.spare_logits(DATA.train, cold)  # type: ignore[misc]
    assert labels.tolist() == DATA.train.labels.tolist()
    fold = numbered(labels, 5).numpy() if name != "knn" else np.arange(30)
    for number in range(2):
        out = np.flatnonzero(fold == number)
        other = kind(backbone, **settings, **alone).fit(DATA.train.subset(np.flatnonzero(fold != number)), DATA.val, cold=cold)
        scale = other.choices.get("temperature", 1.0) / fitted.choices.get("temperature", 1.0)
        expected = other.logits(DATA.train.subset(out), cold=cold) * scale
        torch.testing.assert_close(found[out], expected, rtol=1e-4, atol=1e-4)
    chosen = kind(backbone).fit(DATA.train, cold=cold)  # by leave-one-out: it has such answers already
    assert chosen.choices["calibration"]["on"] == "left-out training images" and chosen.spare_logits(DATA.train, cold) is None
    lonely = DATA.train.subset(np.flatnonzero((DATA.train.labels != 2) | (np.arange(30) == 2)))
    some, left = kind(backbone, **settings, **alone).fit(lonely, DATA.val, cold=cold).spare_logits(lonely, cold)  # type: ignore[misc]
    assert len(some) == len(left) == len(lonely) - 1 and 2 not in left.tolist()


def test_many_validation_images_need_no_others(cold: ColdPass, monkeypatch: pytest.MonkeyPatch) -> None:
    few = LinearProbe(TinyBackbone(width=8)).fit(DATA.train, DATA.val, cold=cold).choices["calibration"]
    assert few["on"] == "validation images and left-out training images"
    assert few["images"] == len(DATA.train) + len(DATA.val)
    monkeypatch.setattr("coldframe.methods.learning.FEW", len(DATA.val))
    many = LinearProbe(TinyBackbone(width=8)).fit(DATA.train, DATA.val, cold=cold)
    assert many.choices["calibration"]["on"] == "validation images" and many.choices["calibration"]["images"] == len(DATA.val)
    assert many.validated is not None and len(many.validated.right) == len(DATA.val)


def test_without_validation_images_each_training_image_is_left_out(cold: ColdPass) -> None:
    ridge = Ridge(TinyBackbone(width=8)).fit(DATA.train, cold=cold)
    assert ridge.choices["calibration"]["on"] == "left-out training images" and len(ridge.validated.right) == 30  # type: ignore[union-attr]
    assert LinearProbe(TinyBackbone(width=8)).fit(DATA.train, cold=cold).divisor == 1


def test_a_row_says_what_the_functions_say(cold: ColdPass) -> None:
    probe = LinearProbe(TinyBackbone(width=8)).fit(DATA.train, DATA.val, cold=cold)
    done = evaluate(probe, DATA.test, data="colours", cold=cold)
    row, p, y = done.row, done.probabilities, DATA.test.labels
    raw = done.logits.softmax(-1).numpy()
    assert row["ece"] == pytest.approx(measures.ece(raw, y)) and row["ece_scaled"] == pytest.approx(measures.ece(p, y))
    limit = conformal.quantile(probe.validated.conformity["lac"], 0.9)  # type: ignore[union-attr]
    assert row["lac_size"] == pytest.approx(conformal.sets(p, limit, "lac").sum(1).mean())
    accuracies = measures.per_class(raw, y)
    assert row["worst_class"] == min(a for a in accuracies if a is not None)
    assert row["worst_class_name"] == DATA.classes[int(np.argmin(accuracies))]
    for name, (low, high) in row["intervals"].items():
        assert low <= row[name] + 1e-12 and row[name] <= high + 1e-12, name
    few = trust(raw, p, y, None, 1.0, DATA.classes)
    assert "lac_size" not in few and few["temperature"] == 1.0


def test_unknown_images_are_told_apart_by_what_openood_says(cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    probe = LinearProbe(backbone).fit(DATA.train, DATA.val, cold=cold)
    strange = Split("unknown", pictures(14, 3), np.zeros(14, dtype=np.int64), DATA.classes)
    found = Strangers(backbone, DATA, Unknown("noise", strange), cold).row(probe, probe.logits(DATA.test, cold=cold))
    known, other = (probe.logits(each, cold=cold).numpy() for each in (DATA.test, strange))
    assert found["max_logit_auroc"] == pytest.approx(measures.unknown.auroc(known.max(1), other.max(1)).mean)
    assert set(found["intervals"]) == {name for name in found if name.endswith("auroc")} and "mcm_auroc" not in found
    assert found["unknown"] == "14 images of noise" and "vim_auroc" in found
    votes = NearestNeighbours(backbone).fit(DATA.train, DATA.val, cold=cold)  # whose logits are below 0
    voted = Strangers(backbone, DATA, Unknown("noise", strange), cold).row(votes, votes.logits(DATA.test, cold=cold))
    assert set(found) - set(voted) == {"vim_auroc"}
    assert evenly(np.array([0, 0, 0, 0, 1, 1]), 3).tolist() == [0, 2, 5]


def test_what_stands_for_unknown_images(tmp_path: Path) -> None:
    (tmp_path / "odd" / "deep").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (9, 9), (80 * number, 0, 0)).save(tmp_path / "odd" / "deep" / f"{number}.png")
    given = unknown_images(str(tmp_path / "odd"), DATA)
    assert given is not None and len(given.split) == 3 and unknown_images("none", DATA) is None
    bundled = unknown_images("bundled", DATA)
    assert bundled is not None and bundled.spec == "mini:cifar10" and len(bundled.split) == 100
    cats = Dataset("mini:cats", *(Split(n, s.images, s.labels, ("cat", "dog", "ship")) for n, s in (
        ("train", DATA.train), ("val", DATA.val), ("test", DATA.test))))  # fmt: skip
    other = unknown_images("bundled", cats)
    assert other is not None and other.spec == "mini:mnist"  # the others have cats, dogs and ships
    shared = unknown_images("mini:cifar10", cats)
    assert shared is not None and "cat" in shared.doubts()[0]


def test_the_page_has_sections_and_the_table_stays_narrow(cold: ColdPass, make_table) -> None:
    table: Table = make_table()
    before = len(columns(table))
    for row in table.rows:
        row |= {"temperature": 0.5, "ece_scaled": 0.021, "lac_size": 1.2, "lac_coverage": 0.9, "max_logit_auroc": 0.7,
                "unknown": "9 images of x", "intervals": {"ece_scaled": [0.01, 0.03]}}  # fmt: skip
    assert len(columns(table)) == before
    heads = [heading for heading, _, _ in trust_tables(table)]
    assert len(heads) == 3 and heads[-1].endswith("(9 images of x)")
    text = page(table, figures={})
    assert ".021 (.010–.030)" in text and "Can its probabilities be believed?" in text
    assert "2.1 points on average (ECE) after temperature scaling" in verdict(table)
    assert "(ECE)" in json.dumps(table.to_json())
    assert Table.from_json(json.loads(json.dumps(table.to_json()))).rows[0]["intervals"] == {"ece_scaled": [0.01, 0.03]}


def test_predict_prints_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from coldframe.backbones import load_backbone

    probe = LinearProbe(load_backbone("timm:test_resnet/random")).fit(coloured(30, 0, "train"), coloured(18, 1, "val"))
    probe.save(tmp_path / "run")
    DATA.test.images.open(0).save(tmp_path / "a.png")
    odds = probe.predict_proba(tmp_path / "a.png").numpy()
    limit = conformal.quantile(probe.validated.conformity["lac"], 0.9)  # type: ignore[union-attr]
    expected = {probe.classes[k] for k in np.flatnonzero(conformal.sets(odds, limit, "lac")[0])}
    words = ["predict", str(tmp_path / "a.png"), "--run", str(tmp_path / "run"), "--device", "cpu"]

    def run(*more: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            main([*words, *more])
        return int(stopped.value.code or 0)

    assert run("--conformal", "0.9", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)[0]["set"]) == expected
    assert run("--conformal", "0.9") == 0 and ("one of" in (text := capsys.readouterr().out) or "alone" in text)
    assert run("--conformal", "0.99") == 2 and "up to 0.947" in capsys.readouterr().err


def test_neighbours_leave_each_image_out(cold: ColdPass) -> None:
    knn = NearestNeighbours(TinyBackbone(width=8), k=3).fit(DATA.train, cold=cold)
    assert knn.choices["calibration"]["on"] == "left-out training images"
    found = knn.out_of_sample_logits(DATA.train, cold)
    assert found is not None
    for row in (0, 7):
        others = DATA.train.subset([at for at in range(30) if at != row])
        alone = NearestNeighbours(TinyBackbone(width=8), k=3).fit(others, cold=cold)
        torch.testing.assert_close(found[row], alone.logits(DATA.train.subset([row]), cold=cold)[0], rtol=1e-4, atol=1e-4)


def test_every_interval_of_a_row_is_that_of_its_formula() -> None:
    generator = np.random.default_rng(5)
    p, y = generator.dirichlet(np.ones(3), size=20), np.arange(20) % 3
    row = trust(p, p, y, None, 1.3, ("a", "b", "c"))
    ends = row["intervals"]
    losses = -np.log(p[np.arange(20), y])
    half = 1.96 * losses.std(ddof=1) / 20**0.5
    assert ends["nll"] == pytest.approx([max(0, losses.mean() - half), losses.mean() + half]) and row["temperature"] == 1.3
    ranked = (p.argmax(1) != y)[np.argsort(-p.max(1), kind="stable")]
    for name, count in (("risk80", 16), ("risk90", 18)):
        assert row[name] == pytest.approx(ranked[:count].mean())
        share = measures.wilson(ranked[:count].sum(), count)
        assert ends[name] == pytest.approx([share.low, share.high])
    half = measures.resampling.ece_half(p, y)
    error = measures.ece(p, y)
    assert ends["ece"] == pytest.approx([max(0, error - half), min(1, error + half)])
    worst = ("a", "b", "c").index(row["worst_class_name"])
    share = measures.wilson(row["worst_class"] * (y == worst).sum(), int((y == worst).sum()))
    assert ends["worst_class"] == pytest.approx([share.low, share.high])
    one = trust(np.array([[0.1, 0.9]]), np.array([[0.1, 0.9]]), np.array([0]), None, 1.0, ("a", "b"))
    assert one["intervals"]["nll"] == pytest.approx([-np.log(0.1)] * 2) and one["intervals"]["ece"] == pytest.approx([0.9, 0.9])


def test_names_that_both_have_are_listed_to_five() -> None:
    split = DATA.test
    five, six = (Unknown("x", split, tuple("abcdef"[:n])).doubts()[0] for n in (5, 6))
    assert "(a, b, c, d, e):" in five and "(a, b, c, d, e and others):" in six and Unknown("x", split).doubts() == []
