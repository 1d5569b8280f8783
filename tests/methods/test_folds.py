"""Choices over folds: they are the sums over folds done by hand, and all images are learned from with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import coloured, split, tiny_clip
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.methods import method_class
from coldframe.methods.folds import FOLDS, all_shots, fit_crossed, has, how, numbered, settings_for

BACKBONE = tiny_clip()
TRAIN, VAL, TEST = coloured(18, 0, "train"), coloured(6, 1, "val"), coloured(12, 2, "test")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


def test_folds_are_even_over_classes_and_whole() -> None:
    labels = torch.tensor([0] * 7 + [1] * 5 + [2])
    folds = numbered(labels, 3)
    assert torch.equal(folds, numbered(labels, 3)) and set(folds.tolist()) == {0, 1, 2}
    for label, count in ((0, 7), (1, 5)):
        sizes = torch.bincount(folds[labels == label], minlength=3)
        assert int(sizes.sum()) == count and int(sizes.max() - sizes.min()) <= 1


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("linear-probe", {}, "l2"), ("linear-probe", {"solver": "ridge", "refit": False}, "l2"), ("knn", {}, "k"),
        ("lp++", {"steps": 12}, "step"), ("clap", {"epochs": 6}, "epoch"), ("prolip", {"steps": 6}, "step"),
        ("text-prompt", {"epochs": 3, "tokens": 2, "lr": 0.1}, "epoch"), ("tip-adapter-f", {"epochs": 3}, "epoch"),
        ("tip-adapter", {}, "alpha"),
    ],
)  # fmt: skip
def test_what_is_best_over_all_folds_is_learned_from_all_images(
    name: str, settings: dict[str, Any], key: str, cold: ColdPass, tmp_path: Path
) -> None:
    kind = method_class(name)
    if "margin" in kind.settings():
        settings = {"margin": 0.0, **settings}
    method = fit_crossed(kind(BACKBONE, **settings), TRAIN, cold=cold, run=tmp_path / "run")
    assert method.choices["chosen by"] == f"{FOLDS} folds" and method.choices["images"] == {"train": 18, "val": 0}
    folds = numbered(torch.from_numpy(TRAIN.labels), FOLDS).numpy()
    totals: dict[Any, list[float]] = {}
    confident = []
    for fold in range(FOLDS):
        part, held = TRAIN.subset(np.flatnonzero(folds != fold)), TRAIN.subset(np.flatnonzero(folds == fold))
        fit: Any = kind(BACKBONE, **settings).fit(part, held, cold=cold)
        for candidate, (top1, loss) in fit.tried().items():
            total = totals.setdefault(candidate, [0.0, 0.0, 0.0])
            total[0], total[1], total[2] = total[0] + top1 * len(held), total[1] - loss * len(held), total[2] + 1
        confident.append(fit.logits(held, cold=cold).double())
    if totals:
        common = {candidate: (round(t[0], 6), t[1]) for candidate, t in totals.items() if t[2] == FOLDS}
        best = max(common, key=lambda candidate: common[candidate])
        assert method.choices[key] == (best[1] if name == "prolip" else best)
    assert method.validated is not None and len(method.validated.right) == 18
    sure = (torch.cat(confident) / method.divisor).softmax(-1).max(-1).values.float()
    torch.testing.assert_close(method.validated.probability, sure)
    if name == "knn":
        assert len(method.state()["features"]) == 18
    if name == "linear-probe" and not settings:
        alone = kind(BACKBONE, l2=method.choices["l2"]).fit(TRAIN, cold=cold)
        found, expected = method.logits(TEST, cold=cold), alone.logits(TEST, cold=cold)
        assert float((found - expected).abs().max()) < 0.02 * float(expected.abs().max())
    if name == "clap" and method.choices["epoch"]:
        alone = kind(BACKBONE, **settings)
        alone._stop = method.choices["epoch"]
        torch.testing.assert_close(method.logits(TEST, cold=cold), alone.fit(TRAIN, cold=cold).logits(TEST, cold=cold))
    assert not list((tmp_path / "run").glob("fold*"))
    method.save(tmp_path / "saved")


def test_an_image_alone_in_its_class_is_never_held_out(cold: ColdPass) -> None:
    data = Split("train", TRAIN.images, np.array([0] * 9 + [1] * 8 + [2]), TRAIN.classes)
    method = fit_crossed(method_class("clap")(BACKBONE, epochs=2), data, cold=cold)
    assert method.validated is not None and len(method.validated.right) == 17
    one = TRAIN.subset(np.arange(3))
    method = fit_crossed(method_class("clap")(BACKBONE, epochs=2), one, cold=cold)
    assert method.choices["chosen by"] == "nothing could be chosen" and method.choices["epoch"] == 2
    probe = fit_crossed(method_class("linear-probe")(BACKBONE), one, cold=cold)
    assert torch.isfinite(probe.predict_proba(TEST, cold=cold)).all()
    zero = fit_crossed(method_class("zero-shot")(BACKBONE), TRAIN, cold=cold)
    assert zero.choices["chosen by"] == "nothing to choose"


def test_which_method_has_which_rule() -> None:
    ways = {name: how(method_class(name)(BACKBONE), "loo") for name in ("gda", "knn", "tip-adapter", "clap", "zero-shot")}
    exact = "leave-one-out"
    assert ways == {
        "gda": exact, "knn": exact, "tip-adapter": exact, "clap": "5 folds", "zero-shot": "nothing to choose",
    }  # fmt: skip
    assert has(method_class("ridge"), "cv") and not has(method_class("tip-adapter-f"), "loo")
    assert settings_for(method_class("ridge")(BACKBONE), "cv") == {"choose": "cv"}
    assert settings_for(method_class("ridge")(BACKBONE), "val") == {} == settings_for(method_class("clap")(BACKBONE), "loo")


def test_no_image_is_held_out(cold: ColdPass) -> None:
    data = all_shots(Dataset("colours", TRAIN, VAL, TEST, "drawn"))
    assert len(data.train) == 24 and len(data.val) == 0 and len(data.test) == 12 and "joined train" in data.origin
    method = method_class("gda")(BACKBONE, choose="loo").fit(data.train, data.val, cold=cold)
    assert method.validated is not None and len(method.validated.right) == 24
    right = float(method.validated.right.double().mean())
    assert right == pytest.approx(method.choices["out_of_sample_top1"])
    truth = torch.from_numpy(data.train.labels)
    assert float(functional.cross_entropy(method.out_of_sample, truth)) < 2  # type: ignore[attr-defined]
    assert all_shots(data) is data


def test_what_the_first_fold_settles_holds_for_all(tmp_path: Path) -> None:
    cold, train = ColdPass(Store(tmp_path)), split(15)
    method = method_class("deep-prompt")(tiny_clip(layers=3), tokens=2, epochs=4)
    fitted = fit_crossed(method, train, cold=cold)
    settled = fitted.choices["settled"]
    assert {name: fitted.config()[name] for name in settled} == settled and settled["layer"] in (0, 1)
    assert fitted.logits(train, cold=cold).shape == (15, 3)
