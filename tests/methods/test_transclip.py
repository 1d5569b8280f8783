"""TransCLIP against the paper's updates written with loops, and never a label of what it may not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, pictures, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split, without_labels
from coldframe.errors import InputError
from coldframe.methods import load, method_class, templates
from coldframe.verbs.compare import compare

CLASSES = ("red", "green", "blue")
BACKBONE = tiny_clip()
KIND: Any = method_class("transclip")
TRAIN, VAL, TEST = coloured(12, 0, "train"), coloured(9, 1, "val"), coloured(21, 2, "test")
SEEN = without_labels(TEST.images, "unlabelled", CLASSES)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


def unit(data: Split, cold: ColdPass, backbone: Backbone = BACKBONE) -> Tensor:
    x = cold.activations(backbone, data, "features").gather(torch.arange(len(data)))
    return functional.normalize(x.double(), dim=-1)


def published(
    backbone: Backbone, f: Tensor, s: Tensor, y: Tensor, gamma: float, few: bool, n: int = 3, rounds: int = 10
) -> Tensor:
    """Return log z [M, K] after the paper's block updates, one image and one class at a time."""
    texts = templates.class_embeddings(backbone, CLASSES, templates.PHOTO).double()
    M, K, D = len(f), len(texts), f.shape[1]
    log_soft = (float(backbone.logit_scale) * f @ texts.T).log_softmax(-1)
    z, lam = log_soft.exp(), 0.5 if few else 1.0
    both = torch.cat([f, s]) if few else f
    W = torch.zeros(len(both), M, dtype=torch.float64)  # rows: unlabelled, then labelled
    for i in range(len(both)):
        order = [j for j in (both[i] @ f.T).argsort(descending=True).tolist() if j != i][:n]
        for j in order:
            W[i, j] = both[i] @ f[j]
    mu = torch.zeros(K, D, dtype=torch.float64)
    for k in range(K):
        if few:
            mu[k] = s[y == k].sum(0)
        else:
            for i in z[:, k].topk(min(8, M)).indices.tolist():
                mu[k] += z[i, k] * f[i]
        mu[k] /= mu[k].norm()
    v = torch.full((D,), 1 / D, dtype=torch.float64)
    labelled = functional.one_hot(y, K).double()
    for step in range(rounds + 1):
        log_p = torch.stack([-0.5 * ((f - mu[k]) ** 2 / v).sum(1) for k in range(K)], dim=1)
        for _ in range(5):
            every = torch.cat([z, labelled]) if few else z
            inner = log_p + 50 / (2 * n) * (W.T @ every + W[:M] @ z)
            log_z = (lam * log_soft + inner / 50).log_softmax(1)
            z = log_z.exp()
        if step == rounds:
            return log_z
        share = gamma * 50 / len(s) if few else 0.0
        for k in range(K):
            mu[k] = (z[:, k, None] * f).sum(0) / M + share * s[y == k].sum(0)
            mu[k] /= mu[k].norm()
        v = sum(((z[:, k, None] * (f - mu[k]) ** 2).sum(0) / M for k in range(K)), torch.zeros(D, dtype=torch.float64))
        v = v + share * sum((((s[y == k] - mu[k]) ** 2).sum(0) for k in range(K)), torch.zeros(D, dtype=torch.float64))
        v = v / (1 + share * len(s))
    raise AssertionError


@pytest.mark.parametrize(("few", "gamma"), [(True, 0.02), (True, 0.2), (False, 0.02)])
def test_transclip_is_the_published_procedure(few: bool, gamma: float, clip: Backbone, cold: ColdPass, tmp_path: Path) -> None:
    method = KIND(clip, gamma=gamma, shots=few)
    method.unlabelled = SEEN
    method.fit(TRAIN, cold=cold)
    expected = published(clip, unit(TEST, cold, clip), unit(TRAIN, cold, clip), torch.from_numpy(TRAIN.labels), gamma, few)
    found = method.logits(TEST, cold=cold).double()
    assert float((found.softmax(-1) - expected.exp()).abs().max()) < 1e-5
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    zero = method_class("zero-shot")(clip).fit(TRAIN, cold=cold).logits(TEST, cold=cold)
    assert float((found.softmax(-1) - zero.softmax(-1)).abs().max()) > 0.01
    again = load(method.save(tmp_path / "run"), clip)
    torch.testing.assert_close(again.logits(TEST, cold=cold).double(), found, rtol=0, atol=0)
    assert method.again().unlabelled is SEEN


def test_labels_that_it_may_not_know_change_nothing(cold: ColdPass) -> None:
    found = []
    for labels in (TEST.labels, (TEST.labels + 1) % 3):
        method = KIND(BACKBONE, gamma=0.02)
        method.unlabelled = Split("unlabelled", TEST.images, labels, CLASSES)
        found.append(method.fit(TRAIN, cold=cold).logits(TEST, cold=cold))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    assert not without_labels(TEST.images, "unlabelled", CLASSES).labels.any()


def test_gamma_is_the_best_on_val(cold: ColdPass) -> None:
    method = KIND(BACKBONE)
    method.unlabelled = SEEN
    method.fit(TRAIN, VAL, cold=cold)
    best = max(method.history, key=lambda line: (line["val_top1"], -line["val_loss"]))
    assert method.choices["gamma"] == best["gamma"] and len(method.history) == 4 and method.choices["unlabelled"] == 21
    assert KIND(BACKBONE).fit(TRAIN, cold=cold).choices["gamma"] == 0.02


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize(
    ("labels", "seen"),
    [([0, 1, 2], 1), ([0, 0, 1, 1], 2), ([0] * 6, 5), ([0, 1, 2, 2, 2], 0), ([0], 1)],
    ids=["one shot", "a class without images", "one class alone", "nothing unlabelled", "one image"],
)
def test_few_images_copies_and_singular_spreads(few: bool, labels: list[int], seen: int, cold: ColdPass) -> None:
    data = Split("train", pictures(len(labels), 3), np.array(labels), CLASSES)
    for copies in (False, True):
        method = KIND(BACKBONE, shots=few)
        if seen:
            images = data.subset(np.array([0] * max(seen, 4) if copies else list(range(min(seen, len(labels)))))).images
            method.unlabelled = without_labels(images, "unlabelled", CLASSES)
        proba = method.fit(data, cold=cold).predict_proba(TEST, cold=cold)
        assert torch.isfinite(proba).all() and torch.allclose(proba.sum(1), torch.ones(21), atol=1e-5)


def test_a_model_without_texts_is_one_sentence() -> None:
    with pytest.raises(InputError, match="no text tower"):
        KIND(TinyBackbone())


def test_a_comparison_marks_it_and_does_not_recommend_it(cold: ColdPass, tmp_path: Path) -> None:
    data = Dataset("colours", TRAIN, VAL, TEST)
    table = compare(["zero-shot", "transclip"], data, model=BACKBONE, seeds=1, latency=False, cold=cold, out=tmp_path / "out")
    names = [row["method"] for row in table.rows]
    assert names == ["zero-shot", "transclip (transductive)"]
    assert "TransCLIP (transductive)" in str(table) and "transductive" in table.to_csv() and "transductive" in table.to_latex()
    assert any("learned from the 21 test images too, never from their labels" in note for note in table.notes)
    assert table.best is not None and table.best.method == "zero-shot"
    only = compare(["transclip"], data, model=BACKBONE, seeds=1, latency=False, cold=cold, unlabelled=VAL)
    assert only.best is not None and any("9 unlabelled images" in note for note in only.notes)
    with pytest.raises(InputError, match="add transclip"):
        compare(["zero-shot"], data, model=BACKBONE, unlabelled=VAL)
