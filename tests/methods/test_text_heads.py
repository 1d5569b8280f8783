"""Heads that start at the texts, against the formulas of the papers written straightforwardly with autograd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import pictures, tiny_clip
from torch import Tensor, nn
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.methods import method_class, templates

CLASSES = ("red", "green", "blue")
BACKBONE = tiny_clip()


def split(n: int, seed: int, name: str = "train") -> Split:
    return Split(name, pictures(n, seed), np.arange(n, dtype=np.int64) % 3, CLASSES)


TRAIN, SEEN = split(24, 0), split(9, 1)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


def texts_of(backbone: Backbone) -> tuple[Tensor, float]:
    return templates.class_embeddings(backbone, CLASSES, templates.PHOTO), float(backbone.logit_scale)


def unit(backbone: Backbone, data: Split, cold: ColdPass) -> Tensor:
    x = cold.activations(backbone, data, "features").gather(torch.arange(len(data))).float()
    return functional.normalize(x, dim=-1)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert float((found - expected.detach()).abs().max()) < tolerance * float(expected.detach().abs().max())


def test_lp_plus_is_the_published_procedure(clip: Backbone, cold: ColdPass) -> None:
    texts, _ = texts_of(clip)
    x, y = unit(clip, TRAIN, cold), torch.from_numpy(TRAIN.labels)
    layer = nn.Linear(x.shape[1], 3)
    onehot = functional.one_hot(y, 3).float()
    near = x @ texts.T
    with torch.no_grad():
        layer.weight.copy_(onehot.T @ x)
        layer.bias.zero_()
    blend = (250 * (onehot.T @ near / onehot.sum(0)[:, None]).mean() * torch.ones(3)).requires_grad_()
    largest = torch.linalg.eigvalsh((x.T @ x).double())[-1].float()
    optimiser = torch.optim.SGD(layer.parameters(), float(4 * len(x) / largest), momentum=0.9)
    for step in range(25):
        loss = functional.cross_entropy(layer(x) + blend * near, y)
        optimiser.zero_grad()
        blend.grad = None
        loss.backward()
        optimiser.step()
        if (step + 1) % 10 == 0:
            with torch.no_grad():
                assert blend.grad is not None
                blend -= len(x) / (4 * near.square().sum(0).max()) * blend.grad
    z = unit(clip, SEEN, cold)
    method = method_class("lp++")(clip, steps=25).fit(TRAIN, cold=cold)
    close(method.logits(SEEN, cold=cold), layer(z) + blend * (z @ texts.T), 1e-4)


def test_clap_is_held_to_the_texts_as_published(clip: Backbone, cold: ColdPass) -> None:
    texts, scale = texts_of(clip)
    x, y = unit(clip, TRAIN, cold), torch.from_numpy(TRAIN.labels)
    weight = texts.clone().requires_grad_()
    onehot = functional.one_hot(y, 3).float()
    hold = torch.diag((scale * x @ texts.T).softmax(-1).T @ onehot) / onehot.sum(0)
    optimiser = torch.optim.SGD([weight], 0.1, momentum=0.9)
    for _ in range(5):
        logits = scale * x @ functional.normalize(weight, dim=-1).T
        loss = functional.cross_entropy(logits, y) + (hold * (weight - texts).square().sum(-1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    method = method_class("clap")(clip, epochs=5, lr=0.1, schedule="constant").fit(TRAIN, cold=cold)
    close(method.logits(SEEN, cold=cold), scale * unit(clip, SEEN, cold) @ functional.normalize(weight, dim=-1).T, 1e-4)


def test_clap_holds_a_class_without_images_by_the_mean_of_the_others(clip: Backbone, cold: ColdPass) -> None:
    rows = np.flatnonzero(TRAIN.labels != 2)
    method = method_class("clap")(clip, epochs=1).fit(TRAIN.subset(rows), cold=cold)
    texts, scale = texts_of(clip)
    sure = (scale * unit(clip, TRAIN, cold)[rows] @ texts.T).softmax(-1)
    held = [float(sure[TRAIN.labels[rows] == k, k].mean()) for k in (0, 1)]
    close(method.hold, torch.tensor([*held, sum(held) / 2]), 1e-4)


def test_cross_modal_counts_the_texts_as_shots(clip: Backbone, cold: ColdPass) -> None:
    texts, scale = texts_of(clip)
    x, y = unit(clip, TRAIN, cold), torch.from_numpy(TRAIN.labels)
    weight = texts.clone().requires_grad_()
    optimiser = torch.optim.SGD([weight], 0.01, momentum=0.9)
    for _ in range(4):
        loss = functional.cross_entropy(scale * x @ weight.T, y)
        loss = loss + 0.7 * functional.cross_entropy(scale * texts @ weight.T, torch.arange(3))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    settings: dict[str, Any] = {"optimiser": "sgd", "lr": 0.01, "schedule": "constant", "weight_decay": 0.0}
    method = method_class("cross-modal")(clip, text_weight=0.7, epochs=4, **settings).fit(TRAIN, cold=cold)
    close(method.logits(SEEN, cold=cold), scale * unit(clip, SEEN, cold) @ weight.T, 1e-4)


def test_taskres_and_clip_adapter_score_as_published(clip: Backbone, cold: ColdPass) -> None:
    texts, scale = texts_of(clip)
    z = unit(clip, SEEN, cold)
    residual = method_class("taskres")(clip, alpha=0.5, epochs=3, lr=0.05).fit(TRAIN, cold=cold)
    moved = residual.state()["residual"]
    assert float(moved.abs().max()) > 0
    close(residual.logits(SEEN, cold=cold), scale * z @ functional.normalize(texts + 0.5 * moved, dim=-1).T)
    adapter = method_class("clip-adapter")(clip, ratio=0.2, epochs=2, lr=0.01).fit(TRAIN, cold=cold)
    state = adapter.state()
    found = ((z @ state["down"].T).relu() @ state["up"].T).relu()
    mixed = functional.normalize(0.2 * found + 0.8 * z, dim=-1)
    close(adapter.logits(SEEN, cold=cold), scale * mixed @ texts.T)
    width = z.shape[1]
    assert state["down"].shape == (width // 4, width) and state["up"].shape == (width, width // 4)


@pytest.mark.parametrize("name", ["clap", "taskres", "cross-modal"])
def test_without_a_step_they_are_zero_shot(name: str, cold: ColdPass, tmp_path: Path) -> None:
    method = method_class(name)(BACKBONE, epochs=1, lr=1e-9).fit(TRAIN, cold=cold)
    zero = method_class("zero-shot")(BACKBONE).fit(TRAIN, cold=cold)
    close(method.logits(SEEN, cold=cold), zero.logits(SEEN, cold=cold))


def test_a_class_without_images_is_no_trouble(cold: ColdPass) -> None:
    data = Split("train", pictures(6, 0), np.array([0, 0, 0, 1, 1, 1]), CLASSES)
    for name in ("lp++", "clap", "taskres", "clip-adapter", "cross-modal"):
        settings = {"steps": 5} if name == "lp++" else {"epochs": 2}
        method = method_class(name)(BACKBONE, **settings).fit(data, cold=cold)
        assert torch.isfinite(method.predict_proba(SEEN, cold=cold)).all()
