"""ProLIP against the paper's formula written with autograd, and the tap before the projection against the network's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, pictures, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import method_class, templates

CLASSES = ("red", "green", "blue")
KIND: Any = method_class("prolip")


def split(n: int, seed: int, labels: list[int] | None = None) -> Split:
    y = np.array(labels if labels is not None else [i % 3 for i in range(n)], dtype=np.int64)
    return Split("train", pictures(n, seed), y, CLASSES)


def before(backbone: Backbone, data: Split, cold: ColdPass, view: str = "plain") -> Tensor:
    return cold.activations(backbone, data, "pre-projection", view).gather(torch.arange(len(data))).float()


def published(
    backbone: Any, data: Split, seen: Tensor, cold: ColdPass, lr: float, hold: float, steps: int, views: list[str]
) -> Tensor:
    """Return logits of ``seen`` [B, D'] after the published training, with the tower's own parameter and torch's Adam."""
    start = backbone.module.visual.proj.detach().clone()
    weight, scale = start.clone().requires_grad_(), float(backbone.logit_scale)
    texts = templates.class_embeddings(backbone, CLASSES, templates.PHOTO)
    x, y = [before(backbone, data, cold, view) for view in views], torch.from_numpy(data.labels)
    optimiser = torch.optim.Adam([weight], lr=lr, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        logits = scale * functional.normalize(x[step % len(x)] @ weight, dim=-1) @ texts.T
        loss = functional.cross_entropy(logits, y) + hold * functional.mse_loss(weight, start, reduction="sum")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return (scale * functional.normalize(seen @ weight, dim=-1) @ texts.T).detach()


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_prolip_is_the_published_procedure(augment: str, tmp_path: Path) -> None:
    backbone, cold, data, seen = tiny_clip(), ColdPass(Store(tmp_path)), split(24, 0), split(9, 1)
    views = ["plain", "flip"] if augment == "flip" else ["plain"]
    expected = published(backbone, data, before(backbone, seen, cold), cold, 1e-3, 3 / 24, 20, views)
    method = KIND(backbone, lr=1e-3, steps=20, augment=augment).fit(data, cold=cold)
    found = method.logits(seen, cold=cold)
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert method.choices["hold"] == 3 / 24 and method.choices["step"] == 20
    zero = method_class("zero-shot")(backbone).fit(data, cold=cold).logits(seen, cold=cold)
    assert float((found - zero).abs().max()) > 1e-3 * float(zero.abs().max())


@pytest.mark.slow
def test_prolip_on_a_random_vit_b_16_is_the_published_procedure(tmp_path: Path) -> None:
    backbone, cold, data, seen = load_backbone("open_clip:ViT-B-16/random"), ColdPass(Store(tmp_path)), split(6, 0), split(3, 1)
    expected = published(backbone, data, before(backbone, seen, cold), cold, 1e-4, 0.5, 5, ["plain"])
    found = KIND(backbone, lr=1e-4, steps=5).fit(data, cold=cold).logits(seen, cold=cold)
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_the_tap_before_the_projection_is_the_towers_own(tmp_path: Path) -> None:
    for backbone in (tiny_clip(), load_backbone("pocket", pretrained=False)):
        side = backbone.preprocess.size
        images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
        net: Any = backbone.module
        with torch.no_grad():
            pooled = backbone.run(images, stop="pre-projection")
            assert torch.allclose(pooled @ net.visual.proj, net.encode_image(images), rtol=1e-5, atol=1e-6)
            assert torch.allclose(KIND(backbone)._start(), net.visual.proj)
        assert backbone.cuts[-2:] == ("pre-projection", "features")
        assert net.visual.proj is backbone.stage_modules("pre-projection")[0]


def test_the_best_of_all_rates_and_steps_on_val_is_kept(tmp_path: Path) -> None:
    backbone, cold, data, val = tiny_clip(), ColdPass(Store(tmp_path)), split(24, 0), split(12, 1)
    method = KIND(backbone, steps=12).fit(data, val, cold=cold)
    best = max(method.history, key=lambda each: (each["val_top1"], -each["val_loss"]))
    assert (method.choices["lr"], method.choices["step"]) == (best["lr"], best["step"]) and len(method.history) == 4 * 13
    logits, truth = method.logits(val, cold=cold), torch.from_numpy(val.labels)
    assert float(functional.cross_entropy(logits, truth)) == pytest.approx(best["val_loss"], rel=1e-5)
    for lr in (1e-5, 1e-2):
        alone = KIND(backbone, lr=lr, steps=12).fit(data, val, cold=cold)
        mine = [each for each in method.history if each["lr"] == lr]
        for one, other in zip(alone.history, mine, strict=True):
            assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-5)
    again = KIND(backbone, steps=12).fit(data, cold=cold)
    assert again.choices["chosen on"] == "held-out train"


def test_a_search_ends_fifty_steps_after_the_best_and_loses_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cold, data, val = ColdPass(Store(tmp_path)), split(24, 0), split(12, 1)
    short = KIND(tiny_clip(), steps=200).fit(data, val, cold=cold)
    assert max(each["step"] for each in short.history) == short.choices["step"] + 50 < 200
    monkeypatch.setattr("coldframe.methods.prolip.PATIENCE", 1000)
    whole = KIND(tiny_clip(), steps=200).fit(data, val, cold=cold)
    assert len(whole.history) == 4 * 201
    for one, other in zip(short.history, whole.history, strict=False):
        assert one == pytest.approx(other, rel=1e-5)
    assert (whole.choices["lr"], whole.choices["step"]) == (short.choices["lr"], short.choices["step"])
    monkeypatch.undo()
    given = KIND(tiny_clip(), steps=200, lr=1e-2).fit(data, val, cold=cold)  # a given rate, as published, runs to its end
    assert len(given.history) == 201 and given.choices["step"] + 50 < 200
    assert KIND(tiny_clip(), steps=60, lr=1e-2).fit(data, cold=cold).choices["step"] == 60


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0, 1, 1, 1], [0], [0, 0, 0, 0, 1, 2]], ids=str)
def test_few_images_copies_and_a_class_without_images(labels: list[int], tmp_path: Path) -> None:
    cold, data = ColdPass(Store(tmp_path)), split(len(labels), 0, labels)
    copies = data.subset(np.array([0] * len(labels)))
    for some in (data, copies):
        proba = KIND(tiny_clip(), steps=5).fit(some, cold=cold).predict_proba(split(4, 1), cold=cold)
        assert torch.isfinite(proba).all() and torch.allclose(proba.sum(1), torch.ones(4), atol=1e-5)


def test_a_model_without_texts_or_projection_is_one_sentence() -> None:
    with pytest.raises(InputError, match="no text tower"):
        KIND(TinyBackbone())
    backbone = tiny_clip()
    backbone.cuts = (*backbone.cuts[:-2], "features")
    with pytest.raises(InputError, match="ends in one matrix"):
        KIND(backbone)
