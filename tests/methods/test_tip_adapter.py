"""Cache models against their closed form; what is searched, on which images, and what is trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, split, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError
from coldframe.methods import templates
from coldframe.methods.tip_adapter import TipAdapter, TipAdapterF
from coldframe.methods.zero_shot import ZeroShot
from coldframe.types import FEATURES

TRAIN, VAL, TEST = split(12), split(30, seed=1, name="val"), split(9, seed=2, name="test")


def features(cold: ColdPass, data: object, view: str = "plain", backbone: Backbone | None = None) -> Tensor:
    return cold.activations(backbone or tiny_clip(), data, FEATURES, view).gather(torch.arange(len(data)))  # type: ignore[arg-type]


def test_logits_are_the_closed_form(clip: Backbone, tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), clip
    method = TipAdapter(backbone, alpha=2.0, beta=5.5, augment="flip").fit(TRAIN, cold=cold)
    x = functional.normalize(features(cold, TEST, backbone=clip), dim=-1)
    keys = features(cold, TRAIN, backbone=clip) + features(cold, TRAIN, "flip", clip)
    keys = functional.normalize(keys, dim=-1)
    texts = templates.class_embeddings(backbone, TRAIN.classes, templates.PHOTO)
    expected = torch.zeros(9, 3)
    for i in range(9):
        for k in range(3):
            cosines = [float(x[i] @ keys[n]) for n in range(12) if TRAIN.labels[n] == k]
            votes = sum(math.exp(-5.5 * (1 - cosine)) for cosine in cosines)
            expected[i, k] = backbone.logit_scale * float(x[i] @ texts[k]) + 2.0 * votes
    torch.testing.assert_close(method.logits(TEST, cold=cold), expected, rtol=1e-5, atol=1e-4)
    assert method.trainable_parameters == 0 and method.choices.keys() == {"images", "calibration"}


def test_without_the_cache_it_is_zero_shot(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    method = TipAdapter(tiny_clip(), alpha=0.0, beta=1.0).fit(TRAIN, cold=cold)
    zero = ZeroShot(tiny_clip()).fit(TRAIN)
    torch.testing.assert_close(method.logits(TEST, cold=cold), zero.logits(TEST, cold=cold), rtol=0, atol=0)


def test_the_search_is_exhaustive_and_on_val(tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), tiny_clip()
    method = TipAdapter(backbone).fit(TRAIN, VAL, cold=cold)
    assert method.choices["chosen on"] == "val"
    assert method.choices["val_top1"] == pytest.approx(method.score(VAL, cold=cold))
    x, truth = features(cold, VAL), torch.from_numpy(VAL.labels)
    found = []
    for beta in (0.1 + step * 6.9 / 200 for step in range(200)):
        for alpha in (0.0, *(0.1 + step * 2.9 / 20 for step in range(20))):
            method.chosen = (alpha, beta)
            logits = method.warm(x)
            top1 = float((logits.argmax(-1) == truth).float().mean())
            found.append((top1, -float(functional.cross_entropy(logits, truth)), alpha, beta))
    assert (method.choices["alpha"], method.choices["beta"]) == pytest.approx(max(found)[2:])
    assert method.choices["val_top1"] == pytest.approx(max(found)[0]) and max(found)[0] > min(found)[0]
    assert method.settings_tried == len(found) == 4_200
    assert TipAdapter(backbone, alpha=1.0, beta=2.0).fit(TRAIN, VAL, cold=cold).settings_tried == 1
    assert TipAdapter(backbone).fit(TRAIN, cold=cold).choices["chosen on"] == "train, one left out"


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_each_cached_image_is_left_out_of_its_own_answer(augment: Literal["none", "flip"], tmp_path: Path) -> None:
    cold, backbone = ColdPass(Store(tmp_path)), tiny_clip()
    method = TipAdapter(backbone, augment=augment).fit(TRAIN, cold=cold)
    found = method.out_of_sample_logits(TRAIN, cold)
    assert found is not None and method.choices["calibration"]["on"] == "left-out training images"
    for row in (0, 7, 11):
        others = TRAIN.subset(np.array([at for at in range(12) if at != row]))
        alpha, beta = method.chosen
        alone = TipAdapter(backbone, alpha=alpha, beta=beta, augment=augment).fit(others, cold=cold)
        expected = alone.logits(TRAIN.subset(np.array([row])), cold=cold)[0]
        torch.testing.assert_close(found[row], expected, rtol=1e-5, atol=1e-4)
    assert method.out_of_sample_logits(VAL, cold) is None
    trained = TipAdapterF(backbone, alpha=1.0, beta=1.0, epochs=1).fit(TRAIN, VAL, cold=cold)
    assert trained.out_of_sample_logits(TRAIN, cold) is None


def test_keys_are_trained_and_start_from_the_cache(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    cache = TipAdapter(tiny_clip(), alpha=1.0, beta=1.0).fit(TRAIN, VAL, cold=cold)
    still = TipAdapterF(tiny_clip(), alpha=1.0, beta=1.0, lr=1e-12, epochs=1, weight_decay=0.0).fit(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(still.logits(TEST, cold=cold), cache.logits(TEST, cold=cold), rtol=1e-5, atol=1e-4)
    trained = TipAdapterF(tiny_clip(), alpha=30.0, beta=1.0, lr=4e-3, epochs=30).fit(TRAIN, VAL, cold=cold)
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] - 0.1
    assert trained.trainable_parameters == 12 * 24
    assert torch.equal(trained.embeddings, cache.embeddings)


def test_published_settings() -> None:
    config = TipAdapterF.preset("zhang2022", tiny_clip()).config()
    assert (config["epochs"], config["lr"], config["batch_size"], config["template"]) == (20, 1e-3, 256, "clip-7")


def test_refusals_are_one_sentence() -> None:
    with pytest.raises(InputError, match="no text tower"):
        TipAdapter(TinyBackbone())
    with pytest.raises(InputError, match="can score no others"):
        TipAdapter(tiny_clip(), alpha=1.0, beta=1.0).fit(TRAIN).with_classes(["cat"])
