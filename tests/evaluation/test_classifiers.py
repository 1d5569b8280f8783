"""Everything that answers with classes as a callable from images in [0, 1]: the right gradients reach the pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import Pictures, TinyBackbone, tiny_classifier, tiny_clip
from torch import nn

from coldframe import methods
from coldframe.attacks import PGD
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.evaluation.classifiers import (
    FOLDED_FROM,
    in_set,
    logits_of,
    opened,
    own_classifier,
    set_limit,
    thresholds_of,
)
from coldframe.methods import method_class
from coldframe.registry import METHODS

SETTINGS: dict[str, dict[str, Any]] = {
    "ensemble": {"members": "linear-probe,ridge"},
    "linear-probe": {"l2": 0.01},
    "fine-tune": {"layers": "last-block", "epochs": 1, "normalisation": "cifar10"},
    "pixel-prompt": {"size": 2, "init": "normal", "epochs": 1},
    "deep-prompt": {"tokens": 2, "layer": 1, "epochs": 1},
    "text-prompt": {"tokens": 2, "epochs": 1},
    "tip-adapter": {"alpha": 1.0, "beta": 1.0},
    "tip-adapter-f": {"alpha": 1.0, "beta": 1.0, "epochs": 1},
}


def noise(n: int, seed: int) -> Split:
    arrays = list(np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8))
    return Split("train", Pictures(arrays), np.arange(n, dtype=np.int64) % 3, ("red", "green", "blue"))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"knn"}))
def test_gradients_of_every_method_agree_with_finite_differences(name: str, tmp_path: Path) -> None:
    kind = method_class(name)
    backbone = (tiny_classifier() if name in ("conv-lora", "bn-tune") else tiny_clip()).to(dtype=torch.float64)
    brief = {"last": 1, "epochs": 1} if "last" in kind.settings() else {}
    method = kind(backbone, **{**brief, **SETTINGS.get(name, {})})
    method.fit(noise(12, 0), noise(6, 1), cold=ColdPass(Store(tmp_path)))
    model, generator = logits_of(method), torch.Generator().manual_seed(0)
    size = backbone.preprocess.size
    images = torch.rand(3, 3, size, size, generator=generator).requires_grad_()
    logits = model(images)
    odds = (logits.detach().float() / method.divisor).softmax(-1)
    torch.testing.assert_close(odds, method.predict_proba(images.detach()), rtol=1e-4, atol=1e-5)
    weights = torch.randn(logits.shape, generator=generator).to(logits)
    (gradient,) = torch.autograd.grad((logits * weights).sum(), images)
    assert (gradient.flatten(1) != 0).any(1).all()
    way = torch.randn(images.shape, generator=generator)
    # A longer step crosses the kinks of a network of ReLUs; a shorter one drowns in the rounding of small logits in float32.
    short = {"conv-lora": 1e-4, "bn-tune": 1e-4, "transclip": 3e-3}.get(name, 1e-3)
    with torch.no_grad():
        ahead, behind = ((model(images + step * way) * weights).double().sum() for step in (short, -short))
    expected = float((gradient.double() * way.double()).sum())
    assert float(ahead - behind) / (2 * short) == pytest.approx(expected, rel=0.02, abs=1e-2 * float(gradient.norm()))
    assert not any(tensor.requires_grad for tensor in method.state().values())


def test_neighbours_are_refused_and_so_is_what_has_not_learned(tmp_path: Path) -> None:
    knn = method_class("knn")(TinyBackbone())
    with pytest.raises(InputError, match="has not been fitted"):
        logits_of(knn)
    with pytest.raises(InputError, match="knn cannot be attacked: its votes have no gradient") as caught:
        logits_of(knn.fit(noise(12, 0), cold=ColdPass(Store(tmp_path))))
    assert "\n" not in str(caught.value)


def test_a_saved_run_is_attacked_as_the_method_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone(width=12)
    probe = method_class("linear-probe")(backbone, l2=0.001).fit(noise(12, 0), cold=ColdPass(Store(tmp_path / "store")))
    probe.save(tmp_path / "run")
    monkeypatch.setattr(methods, "load_backbone", lambda name, **_: backbone)
    images = torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0)).float() / 255
    found = []
    for source in (str(tmp_path / "run"), probe):
        model, names, net = opened(source)
        assert names == ("red", "green", "blue") and net is backbone
        found.append(PGD(8 / 255, steps=3)(model, images, model(images).argmax(-1)).images)
    assert torch.equal(*found) and not torch.equal(found[0], images)


def test_a_backbone_answers_with_its_own_classifier() -> None:
    classifier = tiny_classifier()
    model, names, _ = opened(classifier)
    assert len(names) == 7 and model(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(InputError, match="no classifier of its own"):
        opened(TinyBackbone())


class Normalised(TinyBackbone):
    """The tiny network with a batch normalisation behind its convolution and a classifier; it counts what it normalises."""

    def __init__(self, branch: bool = False) -> None:
        super().__init__()
        self.classes = ("ash", "beech", "cedar")
        norm = nn.BatchNorm2d(6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                assert tensor is not None
                tensor.data.uniform_(0.5, 2)
        self.module = _Branches(self.net.embed, norm) if branch else nn.Sequential(self.net.embed, norm)
        self.module.eval().requires_grad_(False)
        self.matrix = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))

    def _step(self, index: int, x: torch.Tensor) -> torch.Tensor:
        return self.module(x) if index == 0 else super()._step(index, x)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.matrix


class _Branches(nn.Sequential):
    """A forward pass that depends on values, which torch.fx cannot follow."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) if float(input.detach().sum()) < float("inf") else input


def test_batch_normalisation_is_not_folded_for_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Normalised(False)
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    many = own_classifier(backbone, FOLDED_FROM)[0](images)
    monkeypatch.setattr(Normalised, "folded", None)  # folding would fail
    torch.testing.assert_close(own_classifier(backbone, FOLDED_FROM - 1)[0](images), many, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("branch", [False, True])
def test_batch_normalisation_is_folded_for_an_attack_and_changes_nothing(branch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Normalised(branch)
    folded = backbone.folded()
    assert (folded is backbone) == branch
    assert branch or not any(isinstance(part, nn.BatchNorm2d) for part in folded.module.modules())
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    expected = backbone.head(backbone.run(backbone.normalise(images)))
    attacked = own_classifier(backbone)[0]
    if not branch:
        monkeypatch.setattr(nn.BatchNorm2d, "forward", None)  # an attack that still called one would fail
    found = attacked(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    ours, theirs = (torch.autograd.grad(logits[:, 1].sum(), images)[0] for logits in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert float(theirs.abs().max()) > 1e-4


def test_networks_with_batch_normalisation_lie_channels_last_on_a_cpu_and_as_usual_elsewhere() -> None:
    def layout(backbone: Backbone) -> tuple[bool, bool]:
        weight = next(part.weight for part in backbone.module.modules() if isinstance(part, nn.Conv2d))
        return weight.is_contiguous(memory_format=torch.channels_last), weight.is_contiguous()

    backbone = load_backbone("torchvision:resnet18/random")
    assert layout(backbone) == layout(backbone.folded()) == (True, False)
    assert layout(backbone.clone().to("meta")) == (False, True)
    assert layout(TinyBackbone()) == (False, True), "a network without batch normalisation is left as it is"


def test_a_set_holds_what_lies_within_its_limit_the_surest_first() -> None:
    odds = torch.tensor([0.25, 0.5, 0.25, 0.0])
    assert in_set(odds, 0.75) == [1, 0, 2] and in_set(odds, 0.7) == [1] and in_set(odds, 0.1) == [1]
    with pytest.raises(InputError, match="expected a saved run with --conformal, found a model"):
        set_limit(TinyBackbone(), 0.9)
    assert thresholds_of(TinyBackbone()) == [] and thresholds_of("lite0") == []
