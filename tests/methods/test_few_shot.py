"""The closed forms against the papers' formulas, the choice out of sample against refitting, and few images indeed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, pictures, tiny_clip
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.methods import method_class, templates
from coldframe.methods.few_shot import FewShot

NAMES = ("gda", "ridge", "kernel-ridge", "ncm")
CLASSES = ("red", "green", "blue")


def split(n: int, seed: int, labels: list[int] | None = None, name: str = "train") -> Split:
    y = np.array(labels if labels is not None else [i % 3 for i in range(n)], dtype=np.int64)
    return Split(name, pictures(n, seed), y, CLASSES)


def features(backbone: Backbone, data: Split, cold: ColdPass) -> torch.Tensor:
    x = cold.activations(backbone, data, "features").gather(torch.arange(len(data)))
    return functional.normalize(x.double(), dim=-1)


def make(name: str, backbone: Backbone, **settings: Any) -> FewShot:
    method = method_class(name)(backbone, **settings)
    assert isinstance(method, FewShot)
    return method


def test_gda_is_the_published_formula(clip: Backbone, tmp_path: Path) -> None:
    backbone, cold, data, seen = clip, ColdPass(Store(tmp_path)), split(30, 0), split(12, 1)
    x, z, y = features(backbone, data, cold), features(backbone, seen, cold), torch.from_numpy(data.labels)
    texts = templates.class_embeddings(backbone, CLASSES, templates.PHOTO).double()
    means = torch.stack([x[y == k].mean(0) for k in range(3)])
    covariance = torch.cov((x - means[y]).T)
    inverse = x.shape[1] * torch.linalg.pinv((len(x) - 1) * covariance + covariance.trace() * torch.eye(x.shape[1]))
    g = z @ inverse @ means.T - ((means @ inverse) * means).sum(1) / 2
    expected = float(backbone.logit_scale) * z @ texts.T + 0.01 * g
    method = make("gda", backbone, shrinkage=1.0, alpha=0.01, prior="text").fit(data, cold=cold)
    found = method.logits(seen, cold=cold).double() * method.choices["temperature"]
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


def test_kernel_ridge_is_the_published_formula(clip: Backbone, tmp_path: Path) -> None:
    backbone, cold, data, seen = clip, ColdPass(Store(tmp_path)), split(30, 0), split(12, 1)
    x, z = features(backbone, data, cold), features(backbone, seen, cold)
    texts = templates.class_embeddings(backbone, CLASSES, templates.PHOTO).double()
    beta, penalty = 3.0, 0.5
    onehot = functional.one_hot(torch.from_numpy(data.labels), 3).double()
    kernel = (-beta * (1 - x @ x.T)).exp()
    dual = torch.linalg.solve(kernel / penalty + torch.eye(len(x)), onehot - x @ texts.T)
    expected = z @ texts.T + (-beta * (1 - z @ x.T)).exp() @ dual
    scale = float(backbone.logit_scale)
    # The published code leaves the texts unscaled, and its dual is penalty times that of (K + penalty I) a = t.
    method = make("kernel-ridge", backbone, beta=beta, penalty=penalty, alpha=scale * penalty, prior="text")
    method.fit(data, cold=cold)
    found = method.logits(seen, cold=cold).double() * method.choices["temperature"] / scale
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


def test_ridge_is_the_minimiser(clip: Backbone, tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    backbone, cold, data, seen = clip, ColdPass(Store(tmp_path)), split(30, 0), split(12, 1)
    x, z = features(backbone, data, cold), features(backbone, seen, cold)
    texts = templates.class_embeddings(backbone, CLASSES, templates.PHOTO).double()
    targets = functional.one_hot(torch.from_numpy(data.labels), 3).double() - x @ texts.T
    fit = Ridge(0.3).fit(x.numpy(), targets.numpy())
    expected = float(backbone.logit_scale) * z @ texts.T + 2.0 * torch.from_numpy(fit.predict(z.numpy()))
    method = make("ridge", backbone, penalty=0.3, alpha=2.0, prior="text").fit(data, cold=cold)
    found = method.logits(seen, cold=cold).double() * method.choices["temperature"]
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


def test_ncm_is_cosine_to_centred_class_means(clip: Backbone, tmp_path: Path) -> None:
    cold, data, seen = ColdPass(Store(tmp_path)), split(30, 0), split(12, 1)
    x, z, y = features(clip, data, cold), features(clip, seen, cold), torch.from_numpy(data.labels)
    texts = templates.class_embeddings(clip, CLASSES, templates.PHOTO).double()
    moved = functional.normalize(x - x.mean(0), dim=-1)
    means = functional.normalize(torch.stack([moved[y == k].mean(0) for k in range(3)]), dim=-1)
    expected = float(clip.logit_scale) * z @ texts.T + 3.0 * functional.normalize(z - x.mean(0), dim=-1) @ means.T
    method = make("ncm", clip, alpha=3.0, prior="text").fit(data, cold=cold)
    found = method.logits(seen, cold=cold).double() * method.choices["temperature"]
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("augment", ["none", "flip"])
def test_out_of_sample_logits_are_those_of_a_fit_without_the_image(name: str, augment: str, tmp_path: Path) -> None:
    backbone, cold, data = tiny_clip(), ColdPass(Store(tmp_path)), split(13, 0)
    method = make(name, backbone, choose="loo", augment=augment).fit(data, cold=cold)
    kept = {key: method.choices[key] for key in ("shrinkage", "penalty", "beta", "alpha") if key in method.choices}
    for row in (0, 5, 12):
        others = data.subset(np.array([i for i in range(len(data)) if i != row]))
        fixed = make(name, backbone, **{**method.config(), **kept, "choose": "loo"}).fit(others, cold=cold)
        expected = fixed.logits(data.subset(np.array([row])), cold=cold) * fixed.choices["temperature"]
        found = method.out_of_sample[row : row + 1] * method.choices["temperature"]
        scale = max(float(expected.abs().max()), float(method.choices["alpha"]))  # single precision of what is added up
        assert float((found - expected).abs().max()) < 1e-5 * scale


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2], [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2], [0, 0, 0, 0, 0, 0, 0, 1, 2]],
    ids=["one shot", "a class without images", "a class of one", "unbalanced"],
)
@pytest.mark.parametrize("choose", ["loo", "cv"])
def test_few_images_indeed(name: str, texts: bool, labels: list[int], choose: str, tmp_path: Path) -> None:
    backbone = tiny_clip() if texts else TinyBackbone(width=12)
    cold, data = ColdPass(Store(tmp_path)), split(len(labels), 0, labels)
    method = make(name, backbone, choose=choose).fit(data, cold=cold)
    proba = method.predict_proba(split(9, 1), cold=cold)
    assert torch.isfinite(proba).all() and torch.allclose(proba.sum(1), torch.ones(9), atol=1e-5)
    assert float(proba.std()) > 0


@pytest.mark.parametrize("name", ["gda", "ridge"])
def test_large_weights_that_nearly_cancel_lose_no_digits(name: str, tmp_path: Path) -> None:
    method = make(name, TinyBackbone(width=12)).fit(split(12, 0), cold=ColdPass(Store(tmp_path)))
    generator = torch.Generator().manual_seed(0)
    shared = functional.normalize(torch.randn(1, 12, generator=generator), dim=-1)
    weight, bias = 1000 * shared + torch.randn(3, 12, generator=generator), torch.full((3,), -1000.0)
    method.load_state({"weight": weight, "bias": bias})
    x = functional.normalize(shared + 0.01 * torch.randn(500, 12, generator=generator), dim=-1)
    exact = functional.normalize(x, dim=-1).double() @ weight.double().T + bias.double()
    assert float((method.warm(x).double() - exact).abs().max()) < 1e-6 * float(exact.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_copies_of_one_image_are_no_trouble(name: str, tmp_path: Path) -> None:
    backbone, cold, one = tiny_clip(), ColdPass(Store(tmp_path)), split(6, 0)
    data = one.subset(np.array([0, 0, 0, 1, 1, 2, 2, 2]))
    method = make(name, backbone, choose="loo").fit(data, cold=cold)
    assert method.score(data, cold=cold) > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_the_choice_is_the_best_of_all_out_of_sample(name: str, tmp_path: Path) -> None:
    backbone, cold, data = tiny_clip(), ColdPass(Store(tmp_path)), split(24, 0)
    method = make(name, backbone, choose="loo").fit(data, cold=cold)
    truth = torch.from_numpy(data.labels)
    shots = method._shots(data, cold, method._texts(CLASSES))
    settings = method._settings(shots)
    scores = method._left_out(shots, settings)
    assert scores is not None
    texts = float(backbone.logit_scale) * shots.prior
    every = [
        float(((texts + alpha * part).float().argmax(1) == truth).float().mean())
        for part in scores
        for alpha in method._alphas(shots)
    ]
    assert method.choices["settings tried"] == len(every)
    assert method.choices["out_of_sample_top1"] == pytest.approx(max(every))
    assert float((method.out_of_sample.argmax(1) == truth).float().mean()) == pytest.approx(max(every))
    assert max(every) >= float((texts.argmax(1) == truth).float().mean())


def test_choosing_on_val_without_val_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="loo or cv"):
        make("gda", tiny_clip(), choose="val").fit(split(6, 0), cold=ColdPass(Store(tmp_path)))


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_tip_adapter_left_out_is_a_cache_without_the_image(augment: str, tmp_path: Path) -> None:
    backbone, cold, data = tiny_clip(), ColdPass(Store(tmp_path)), split(14, 0)
    make_tip = method_class("tip-adapter")
    method = make_tip(backbone, choose="loo", augment=augment).fit(data, cold=cold)
    alpha, beta = method.choices["alpha"], method.choices["beta"]
    right = 0
    for row in range(len(data)):
        others = data.subset(np.array([i for i in range(len(data)) if i != row]))
        fixed = make_tip(backbone, alpha=alpha, beta=beta, augment=augment).fit(others, cold=cold)
        right += int(fixed.predict(data.subset(np.array([row])), cold=cold)[0]) == data.labels[row]
    assert method.choices["val_top1"] == pytest.approx(right / len(data))
    assert len(method.state()["keys"]) == len(data)


def test_neighbours_left_out_are_those_of_the_others(tmp_path: Path) -> None:
    backbone, cold, data, more = TinyBackbone(width=12), ColdPass(Store(tmp_path)), split(14, 0), split(6, 1, name="val")
    method = method_class("knn")(backbone, choose="loo").fit(data, more, cold=cold)
    x = features(backbone, data, cold).float()
    y = torch.from_numpy(data.labels)
    assert method.choices["chosen on"] == "train, one left out" and len(method.state()["features"]) == 14
    for step in method.history:
        right = 0
        for row in range(len(x)):
            kept = torch.arange(len(x)) != row
            near, at = (x[kept] @ x[row]).topk(min(step["k"], len(x) - 1))
            votes = torch.zeros(3).index_add(0, y[kept][at], (near / 0.07).softmax(-1))
            right += int(votes.argmax() == y[row])
        assert step["val_top1"] == pytest.approx(right / len(x))
    with pytest.raises(Exception, match="use choose loo"):
        method_class("knn")(backbone, choose="val").fit(data, cold=cold)


@pytest.mark.parametrize("choose", ["loo", "cv", "val"])
@pytest.mark.parametrize("name", NAMES)
def test_large_data_in_single_precision_give_about_the_same(
    name: str, choose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, cold, data, more = tiny_clip(), ColdPass(Store(tmp_path)), split(18, 0), split(9, 1, name="val")
    settings: dict[str, Any] = {"choose": choose, "alpha": 5.0, "prior": "text"}
    own = {"gda": {"shrinkage": 1.0}, "ridge": {"penalty": 0.5}, "kernel-ridge": {"penalty": 0.5, "beta": 3.0}}
    settings |= own.get(name, {})

    def scaled() -> torch.Tensor:
        method = make(name, backbone, **settings).fit(data, more, cold=cold)
        return method.logits(more, cold=cold) * method.choices["temperature"]

    double = scaled()
    monkeypatch.setattr("coldframe.methods.few_shot.DOUBLE", 0.0)
    assert float((scaled() - double).abs().max()) < 1e-3 * float(double.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_one_validation_image_of_each_class_decides_and_one_shot_is_saved(name: str, tmp_path: Path) -> None:
    backbone, cold, data, more = tiny_clip(), ColdPass(Store(tmp_path)), split(24, 0), split(3, 1, name="val")
    method = make(name, backbone).fit(data, more, cold=cold)
    truth = torch.from_numpy(more.labels)
    right = float((method.out_of_sample.argmax(1) == truth).float().mean())
    assert method.choices["out_of_sample_top1"] == pytest.approx(right)
    alone = make(name, backbone, choose="loo").fit(split(3, 0), cold=cold)
    assert alone.choices["out_of_sample_top1"] is None
    alone.save(tmp_path / "alone")
    method.save(tmp_path / "run")


def test_two_images_of_a_class_count_in_the_choice_and_one_does_not(tmp_path: Path) -> None:
    cold, data = ColdPass(Store(tmp_path)), split(5, 0, [0, 0, 1, 1, 2])
    method = make("ridge", tiny_clip(), choose="loo").fit(data, cold=cold)
    truth = torch.from_numpy(data.labels)
    right = (method.out_of_sample.argmax(1) == truth)[:4]
    assert method.choices["out_of_sample_top1"] == pytest.approx(float(right.float().mean()))
