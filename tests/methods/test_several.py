"""Several labels per image: the probe against scikit-learn's, thresholds, refusals of every other method, saved runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import Pictures, TinyBackbone, tiny_clip
from sklearn.linear_model import LogisticRegression

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
from coldframe.data.targets import of_several
from coldframe.delivery.about import about
from coldframe.delivery.card import card
from coldframe.delivery.servable import Servable, given
from coldframe.errors import InputError, ModelError
from coldframe.evaluation.classifiers import logits_of
from coldframe.files import formats, write_json
from coldframe.measures.tags import f1, mean_average_precision, thresholds
from coldframe.methods import load, method_class, solvers
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.zero_shot import ZeroShot
from coldframe.registry import METHODS

NAMES = ("red", "green", "blue")


def tagged(n: int, seed: int, name: str = "train") -> Split:
    """Return pictures that are bright in each channel of their labels."""
    generator = np.random.default_rng(seed)
    tags = generator.random((n, 3)) < 0.5
    arrays = [(generator.integers(0, 110, (18, 18, 3)) + 120 * row).astype(np.uint8) for row in tags]
    return of_several(name, Pictures(arrays), tags, NAMES)


def test_each_label_is_a_logistic_regression_of_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    tags = (x[:, :3] + torch.randn(50, 3, generator=generator)) > 0.4
    found = next(solvers.logistic_path(x, tags, 3, [0.05], solvers.Basis.of(x), tolerance=1e-9))
    for k in range(3):
        oracle = LogisticRegression(C=1 / (50 * 0.05), tol=1e-10, max_iter=5000).fit(x.numpy(), tags[:, k].numpy())
        assert found(x)[:, k].sigmoid().numpy() == pytest.approx(oracle.predict_proba(x.numpy())[:, 1], abs=1e-4)


def test_a_probe_learns_scores_and_is_saved(tmp_path: Path) -> None:
    backbone, cold = TinyBackbone(width=16), ColdPass()
    train, val, test = tagged(80, 0), tagged(40, 1, "val"), tagged(40, 2, "test")
    probe = LinearProbe(backbone).fit(train, val, cold=cold)
    odds = probe.predict_proba(test, cold=cold)
    assert torch.allclose(odds, probe.logits(test, cold=cold).sigmoid())
    assert probe.score(test, cold=cold) == pytest.approx(mean_average_precision(odds, test.tags)) and probe.score(test) > 0.6
    assert probe.thresholds == thresholds(probe.predict_proba(val, cold=cold), val.tags)
    given = probe.predict(test, cold=cold)
    assert given.dtype == torch.bool and given.shape == (40, 3)
    assert f1(given, test.tags)[0] > f1(np.ones((40, 3)), test.tags)[0] - 0.05
    assert probe.choices["thresholds chosen on"] == "val" and "calibration" not in probe.choices
    again = probe.refitted(train, val, cold=cold)
    assert again.thresholds == probe.thresholds and not torch.equal(again.weight, probe.weight)

    probe.save(tmp_path)
    kept = load(tmp_path, backbone=backbone)
    assert kept.thresholds == probe.thresholds and torch.allclose(kept.predict_proba(test, cold=cold), odds)
    about = json.loads((tmp_path / "adaptation.json").read_text())
    for wrong in ([0.5], [0.5, 0.5, "x"], [0.5, 0.5, 2.0], "all"):
        about["choices"]["thresholds"] = wrong
        (tmp_path / "adaptation.json").write_text(json.dumps(about))
        with pytest.raises(ModelError, match="thresholds of 3 labels"):
            load(tmp_path, backbone=backbone)


def test_texts_score_several_labels() -> None:
    backbone, cold = tiny_clip(), ColdPass()
    method = ZeroShot(backbone).fit(tagged(12, 0), tagged(8, 1, "val"), cold=cold)
    odds = method.predict_proba(tagged(6, 2), cold=cold)
    assert torch.allclose(odds.sum(1), torch.ones(6)) and len(method.thresholds) == 3


def test_every_other_method_refuses_in_one_sentence() -> None:
    train = tagged(12, 0)
    able = set()
    for name in METHODS:
        kind = method_class(name)
        if kind.several:
            able.add(name)
            continue
        held = object.__new__(kind)
        with pytest.raises(InputError, match=re.escape(f"expected one label per image for {name}, found several")):
            super(kind, held).check_data(train, None) if "check_data" in vars(kind) else kind.check_data(held, train, None)
    assert able == {"linear-probe", "zero-shot"}


def test_what_is_delivered_gives_each_label_its_own_probability(tmp_path: Path) -> None:
    test = tagged(6, 2, "test")
    probe = LinearProbe(TinyBackbone(width=16)).fit(tagged(40, 0), tagged(20, 1, "val"), cold=ColdPass())
    pixels = torch.from_numpy(load_pixels(test.images, list(range(6)), probe.backbone.preprocess))
    served = Servable(probe)(given(pixels, "uint8"))
    assert torch.allclose(served, probe.predict_proba(pixels), atol=1e-6) and bool((served.sum(1) > 1.05).any())
    assert json.loads(about(probe, "uint8", "fp32")["thresholds"]) == probe.thresholds
    row = {"method": "linear-probe", "data": "csv:labels.csv", "split": "test", "n": 40}
    row |= {"map": 0.5, "micro_f1": 0.4, "macro_f1": 0.3}
    probe.save(tmp_path / "run")
    write_json(tmp_path / "run" / "result.json", formats.plain(formats.Fit(row, probe.choices, [])))
    assert "On 40 images of test: mAP 50.0%, micro F1 40.0%, macro F1 30.0%." in card(tmp_path / "run", "./shelf")
    with pytest.raises(InputError, match="expected one label per image to attack, found several"):
        logits_of(probe)


def test_one_label_and_several_are_not_mixed() -> None:
    backbone, cold = TinyBackbone(), ColdPass()
    several = tagged(20, 0)
    one = replace(several, tags=None, labels=np.arange(20) % 3)
    probe = LinearProbe(backbone, l2=0.01).fit(several, cold=cold)
    with pytest.raises(InputError, match="expected several labels per image for this linear-probe, found one"):
        probe.score(one, cold=cold)
    with pytest.raises(InputError, match="expected one label per image for this linear-probe, found several"):
        LinearProbe(backbone, l2=0.01).fit(one, cold=cold).score(several, cold=cold)
    with pytest.raises(InputError, match="found ridge"):
        LinearProbe(backbone, solver="ridge").fit(several, cold=cold)
    with pytest.raises(InputError, match="one answer each"):
        probe.predict_frame(["x.png"])
    assert probe.key(several, None) != probe.key(replace(several, tags=~several.tags), None)
