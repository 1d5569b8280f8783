"""The last layer's posterior against its dense definition: variance, scaled logits, evidence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, pictures, tiny_clip
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.data.joined import Joined
from coldframe.errors import InputError
from coldframe.methods import headed, laplace, method_class, templates


@pytest.mark.parametrize("width", [5, 26])  # fewer and more features than images
def test_logits_and_evidence_are_those_of_the_dense_posterior(width: int, tmp_path: Path) -> None:
    cold, data = ColdPass(Store(tmp_path)), coloured(18, 0, "train")
    method = method_class("laplace")(TinyBackbone(width=width)).fit(data, cold=cold)
    assert len(method.state()["spread"]) == (5 if width == 5 else 19)
    x = cold.activations(method.backbone, data, "features").gather(torch.arange(18)).double()
    x, y = functional.normalize(x, dim=-1), torch.from_numpy(data.labels)
    seen = coloured(6, 1, "test")  # which lie outside the span of few images
    unit = functional.normalize(cold.activations(method.backbone, seen, "features").gather(torch.arange(6)).double(), dim=-1)
    weight, bias = method.state()["weight"].double(), method.state()["bias"].double()
    mean = x @ weight.T + bias
    p = mean.softmax(-1)
    soft = (torch.diag_embed(p) - p[:, :, None] * p[:, None]).mean(0)
    precision = 18 * method.choices["l2"]
    dense = 18 * torch.kron(soft, x.T @ x / 18) + precision * torch.eye(3 * width, dtype=torch.float64)  # weight by rows
    covariance = torch.linalg.inv(dense)
    variance = torch.stack([
        torch.stack([at @ covariance[k : k + width, k : k + width] @ at for k in (0, width, 2 * width)]) for at in unit
    ])  # fmt: skip
    expected = (unit @ weight.T + bias) / (1 + math.pi / 8 * variance).sqrt()
    torch.testing.assert_close(method.logits(seen, cold=cold).double(), expected, rtol=1e-4, atol=1e-4)
    fit = functional.cross_entropy(mean, y, reduction="sum") + precision / 2 * weight.square().sum()
    evidence = -fit - 0.5 * (torch.logdet(dense) - 3 * width * math.log(precision))
    kept = max(step["evidence"] for step in method.choices["path"])
    assert abs(kept - float(evidence)) < 0.02 * abs(kept)


def test_the_texts_are_the_middle_of_the_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, data, backbone = ColdPass(Store(tmp_path)), coloured(18, 0, "train"), tiny_clip()
    x = functional.normalize(cold.activations(backbone, data, "features").gather(torch.arange(18)).double(), dim=-1)
    y = torch.from_numpy(data.labels)
    zero = backbone.logit_scale * templates.class_embeddings(backbone, data.classes, templates.PHOTO).double()
    method = method_class("laplace")(backbone, prior="text").fit(data, cold=cold)
    weight, precision = method.state()["weight"].double(), 18 * method.choices["l2"]
    mean = x @ weight.T
    assert not method.state()["bias"].any() and method.choices["prior"] == "text"
    p = mean.softmax(-1)
    soft = (torch.diag_embed(p) - p[:, :, None] * p[:, None]).mean(0)
    dense = torch.kron(soft, x.T @ x) + precision * torch.eye(weight.numel(), dtype=torch.float64)
    fit = functional.cross_entropy(mean, y, reduction="sum") + precision / 2 * (weight - zero).square().sum()
    evidence = float(-fit - 0.5 * (torch.logdet(dense) - weight.numel() * math.log(precision)))
    kept = max(step["evidence"] for step in method.choices["path"])
    assert abs(kept - evidence) < 0.02 * abs(kept)

    monkeypatch.setattr(laplace, "GRID", (1e5,))
    for prior, middle in (("text", zero), ("none", zero * 0)):
        held = method_class("laplace")(backbone, prior=prior).fit(data, cold=cold).state()["weight"]
        torch.testing.assert_close(held.double(), middle, atol=1e-4, rtol=1e-5)


def test_texts_are_left_where_a_probe_is_clearly_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, data, backbone = ColdPass(Store(tmp_path)), coloured(18, 0, "train"), tiny_clip()
    monkeypatch.setattr(templates, "known", lambda *_: True)
    val = coloured(24, 1, "val")  # the random tower's texts say nothing, colours do
    chosen = method_class("laplace")(backbone).fit(data, val, cold=cold)
    for fitted in (chosen, chosen.refitted(data, val, cold=cold)):
        assert fitted.choices["prior"] == "none" and bool(fitted.state()["bias"].any())
    monkeypatch.setattr(headed, "gained", lambda *_: 1.0)  # by one standard error and no more
    chosen = method_class("laplace")(backbone).fit(data, val, cold=cold)
    for fitted in (chosen, chosen.refitted(data, val, cold=cold)):
        assert fitted.choices["prior"] == "text" and not fitted.state()["bias"].any()
    both = Split("all", Joined([data.images, val.images]), np.concatenate([data.labels, val.labels]), data.classes)
    monkeypatch.setattr(laplace, "GRID", (chosen.choices["l2"],))  # what was chosen stays
    again = method_class("laplace")(backbone, prior="text").fit(both, cold=cold)
    torch.testing.assert_close(fitted.state(), again.state())
    assert method_class("laplace")(backbone).fit(data, cold=cold).choices["prior"] == "text"
    monkeypatch.setattr(templates, "known", lambda *_: False)
    assert method_class("laplace")(backbone).fit(data, cold=cold).choices["prior"] == "none"


def test_a_model_without_texts_is_told_so() -> None:
    with pytest.raises(InputError, match="has no text tower; use prior none or auto"):
        method_class("laplace")(TinyBackbone(), prior="text")


def test_doubt_lowers_confidence_and_few_images_are_no_trouble(tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), TinyBackbone(width=12)
    few = Split("train", pictures(3, 0), np.arange(3, dtype=np.int64), ("a", "b", "c"))
    seen = Split("test", pictures(8, 1), np.zeros(8, dtype=np.int64), few.classes)
    method = method_class("laplace")(backbone).fit(few, cold=cold)
    state = method.state()
    x = functional.normalize(cold.activations(backbone, seen, "features").gather(torch.arange(8)).float(), dim=-1)
    plain = (x @ state["weight"].T + state["bias"]).softmax(-1).max(1).values
    assert bool((method.predict_proba(seen, cold=cold).max(1).values <= plain + 1e-6).all())
    missing = Split("train", few.images, np.array([0, 0, 1]), few.classes)
    assert torch.isfinite(method_class("laplace")(backbone).fit(missing, cold=cold).predict_proba(seen, cold=cold)).all()


def test_the_search_ends_behind_the_top_of_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, data, backbone = ColdPass(Store(tmp_path)), coloured(18, 0, "train"), TinyBackbone(width=26)
    short = method_class("laplace")(backbone).fit(data, cold=cold)
    monkeypatch.setattr(laplace, "FALLS", len(laplace.GRID))
    whole = method_class("laplace")(backbone).fit(data, cold=cold)
    found, every = short.choices["path"], whole.choices["path"]
    top = max(range(len(every)), key=lambda at: every[at]["evidence"])
    assert len(every) == len(laplace.GRID) and top < len(every) - 2
    assert found == every[: top + 3] and short.choices["l2"] == every[top]["l2"] == whole.choices["l2"]
