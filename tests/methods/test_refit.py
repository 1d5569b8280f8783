"""One rule for all methods: nothing is learned from validation images, until a refit learns from all with what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_classifier, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.data.joined import Joined
from coldframe.methods import load, method_class
from coldframe.registry import METHODS

TRAIN, VAL, TEST = coloured(24, 0, "train"), coloured(12, 1, "val"), coloured(12, 2, "test")
BOTH = Split("both", Joined([TRAIN.images, VAL.images]), np.concatenate([TRAIN.labels, VAL.labels]), TRAIN.classes)
QUICK: dict[str, dict[str, Any]] = {
    "fine-tune": {"layers": "head"}, "pixel-prompt": {"size": 2, "mapping": "text"}, "lp++": {"steps": 20},
    "ensemble": {"members": "linear-probe,ncm"},
}  # fmt: skip


def network(name: str) -> Any:
    return tiny_classifier() if name in ("conv-lora", "bn-tune") else tiny_clip()


def made(name: str, **settings: Any) -> Any:
    kind = method_class(name)
    short: dict[str, Any] = {key: value for key, value in (("epochs", 2), ("batch_size", 16)) if key in kind.settings()}
    short |= {"last": 1} if "last" in kind.settings() else {}
    return kind(network(name), **{**short, **QUICK.get(name, {}), **settings})


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_from_train_alone_and_refits_on_both(name: str, tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    method = made(name).fit(TRAIN, VAL, cold=cold)
    before = {key: value.clone() for key, value in method.state().items()}
    assert method.choices["images"] == {"train": 24, "val": 12} and "refit on train and val" not in method.choices
    other = method.refitted(TRAIN, VAL, cold=cold)
    assert all(torch.equal(value, before[key]) for key, value in method.state().items()), "the refit changed the first fit"
    assert other.choices == {**method.choices, "refit on train and val": True}
    again = made(name).fit(TRAIN, VAL, cold=cold, refit=True)
    torch.testing.assert_close(again.logits(TEST, cold=cold), other.logits(TEST, cold=cold), rtol=0, atol=0)
    # A comparison that goes on refits what it finds in a file.
    taken = load(method.save(tmp_path / "first"), method.backbone)
    resumed = taken.refitted(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(resumed.logits(TEST, cold=cold), other.logits(TEST, cold=cold), rtol=1e-5, atol=1e-5)
    kept = load(again.save(tmp_path / "run"), network(name))
    # A convolution's weights come back from a file in another layout, which rounds otherwise.
    torch.testing.assert_close(kept.logits(TEST, cold=cold), again.logits(TEST, cold=cold), rtol=1e-6, atol=1e-6)
    assert kept.validated is not None and len(kept.validated.right) == 12


@pytest.mark.parametrize("solver", ["logistic", "ridge"])
def test_the_probe_ends_where_one_on_all_images_does(solver: str, tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), TinyBackbone(width=12)
    probe = method_class("linear-probe")(backbone, solver=solver).fit(TRAIN, VAL, cold=cold, refit=True)
    if solver == "logistic":
        whole = method_class("linear-probe")(backbone, l2=probe.choices["l2"]).fit(BOTH, cold=cold)
        torch.testing.assert_close(probe.logits(TEST, cold=cold), whole.logits(TEST, cold=cold), rtol=0.02, atol=0.02)
    else:  # minimum of |x w + b - onehot|^2 / n + l2 |w|^2 on all images, up to the factor found on val
        x = torch.nn.functional.normalize(cold.activations(backbone, BOTH, "features").gather(torch.arange(36)), dim=-1)
        t = torch.nn.functional.one_hot(torch.from_numpy(BOTH.labels), 3).double()
        y = (x - x.mean(0)).double()
        w = torch.linalg.solve(y.T @ y / 36 + probe.choices["l2"] * torch.eye(12).double(), y.T @ (t - t.mean(0)) / 36)
        ratio = probe.state()["weight"].double().T / w
        assert float(ratio.std() / ratio.mean()) < 1e-3


def test_neighbours_and_closed_forms_take_all_images(tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), TinyBackbone(width=12)
    knn = method_class("knn")(backbone).fit(TRAIN, VAL, cold=cold)
    assert len(knn.state()["features"]) == 24
    other = knn.refitted(TRAIN, VAL, cold=cold)
    whole = method_class("knn")(backbone, k=knn.choices["k"]).fit(BOTH, cold=cold)
    torch.testing.assert_close(other.logits(TEST, cold=cold), whole.logits(TEST, cold=cold), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["fine-tune", "deep-prompt", "text-prompt"])
def test_epochs_that_were_chosen_run_again_on_all_images(name: str, tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    settings: dict[str, Any] = {"schedule": "constant", "warmup": 0, "lr": 0.05, "epochs": 4, "margin": 0.0}
    settings |= {"head": "normal"} if name == "fine-tune" else {}
    method = made(name, **settings).fit(TRAIN, VAL, cold=cold)
    method.choices["epoch"] = 2
    whole = made(name, **{**settings, "epochs": 2}).fit(BOTH, cold=cold)
    other = method.refitted(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(other.logits(TEST, cold=cold), whole.logits(TEST, cold=cold), rtol=0, atol=0)
    method.choices["epoch"] = 0  # the start was kept: nothing is learned from more images either
    start = made(name, **{**settings, "lr": 1e-30, "optimiser": "sgd", "epochs": 1}).fit(BOTH, cold=cold)
    kept = method.refitted(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(kept.logits(TEST, cold=cold), start.logits(TEST, cold=cold), rtol=0, atol=1e-6)


def test_a_refit_that_was_stopped_goes_on(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path / "store"))
    method = made("fine-tune", epochs=3).fit(TRAIN, VAL, cold=cold)
    method.choices["epoch"] = 3
    seen: list[int] = []
    for _ in range(2):
        other = method.refitted(TRAIN, VAL, cold=cold, run=tmp_path / "run", report=lambda m: seen.append(m["epoch"]))
    assert seen == [1, 2, 3] and (tmp_path / "run" / "refit" / "metrics.jsonl").exists()
    straight = method.refitted(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(other.logits(TEST, cold=cold), straight.logits(TEST, cold=cold), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["bitfit", "fine-tune"])
def test_the_mixture_that_was_chosen_holds_for_the_refit(name: str, tmp_path: Path) -> None:
    """Without validation images no mixture can be chosen: once the refit of a tuned network ended in an assertion."""
    cold, settings = ColdPass(Store(tmp_path)), {"lr": 0.02, "wise": "auto", "head": "text"}
    method = made(name, **settings).fit(TRAIN, VAL, cold=cold)
    method.choices["wise"] = 0.3
    other = method.refitted(TRAIN, VAL, cold=cold)
    asked = made(name, **{**settings, "wise": 0.3}).fit(TRAIN, VAL, cold=cold)
    asked.choices["epoch"] = method.choices["epoch"]
    whole = asked.refitted(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(other.logits(TEST, cold=cold), whole.logits(TEST, cold=cold), rtol=0, atol=0)
    assert other.wise == "auto"
