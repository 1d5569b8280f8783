"""Folding changes no output, on real architectures and on the cases where a pair must be left alone."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from fakes import tiny_classifier
from timm.layers import BatchNormAct2d, ScaledStdConv2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import resnet18

from coldframe.backbones import load_backbone
from coldframe.errors import ModelError
from coldframe.foundations.batch_norm import Pair, find_pairs, fold_batch_norm


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every normalisation averages and parameters as a trained one has."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, _BatchNorm) and part.running_mean is not None:
                part.running_mean.normal_(0, 0.2, generator=generator)
                part.running_var.uniform_(0.5, 2, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.2, generator=generator)
    return module.eval()


def left(module: nn.Module) -> int:
    return sum(isinstance(part, _BatchNorm) for part in module.modules())


@pytest.mark.parametrize("name", ["lite0", "resnet18"])
def test_outputs_are_equal_on_real_networks(name: str) -> None:
    net = settled(timm.create_model("tf_efficientnet_lite0", pretrained=False) if name == "lite0" else resnet18(weights=None))
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before, folded = net(x), fold_batch_norm(net)
        after = folded(x)
    assert (after - before).abs().max() <= 1e-5 * max(1.0, float(before.abs().max()))
    assert before.std() > 1e-3
    assert left(folded) == 0 and left(net) == len(find_pairs(net)) > 15
    assert not folded.training


PAIRS = {
    "linear": (nn.Sequential(nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4), nn.ELU()), (3, 6)),
    "conv1d": (nn.Sequential(nn.Conv1d(6, 4, 3), nn.BatchNorm1d(4)), (3, 6, 9)),
    "grouped": (nn.Sequential(nn.Conv2d(6, 4, 3, 1, 1, groups=2, padding_mode="reflect"), nn.BatchNorm2d(4)), (3, 6, 7, 7)),
    "conv3d": (nn.Sequential(nn.Conv3d(2, 4, 2), nn.BatchNorm3d(4)), (1, 2, 4, 4, 4)),
    "transposed": (nn.Sequential(nn.ConvTranspose2d(6, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4)), (3, 6, 5, 5)),
    "identity between": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.Identity(), nn.BatchNorm2d(4)), (3, 6, 5, 5)),
    "not affine": (nn.Sequential(nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4)), (3, 6, 5, 5)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_kind_of_pair_is_exact(name: str) -> None:
    net, shape = PAIRS[name]
    net = settled(net).double()
    if name == "not affine":
        net[1].weight = net[1].bias = None
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    folded = fold_batch_norm(net)
    assert torch.allclose(folded(x), net(x), atol=1e-12, rtol=0) and left(folded) == 0 and left(net) == 1


class Branching(nn.Module):
    """The convolution's output is used beside the normalisation; the second convolution runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.one(x)
        h = self.norms[0](h) + h
        h = self.norms[1](self.two(self.two(h)))
        return self.norms[2](self.three(h))


def test_pairs_that_cannot_be_folded_exactly_are_left() -> None:
    net = settled(Branching())
    assert find_pairs(net) == [Pair("three", "norms.2")]
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(fold_batch_norm(net)(x), net(x), atol=1e-5)
    assert left(fold_batch_norm(net)) == 2


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)),
    nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
    nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)),
    nn.Sequential(ScaledStdConv2d(4, 4, 3), nn.BatchNorm2d(4)),
    nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)),
])  # fmt: skip
def test_what_is_no_pair_is_left(net: nn.Module) -> None:
    assert find_pairs(settled(net)) == []


class Deciding(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_a_module_that_cannot_be_followed_is_one_sentence() -> None:
    with pytest.raises(ModelError, match=r"expected a module whose calls torch\.fx can follow, found one that stops it"):
        fold_batch_norm(Deciding())


class ReadsItsWeight(nn.Module):
    """Uses a layer's weight, or a normalisation's averages, beside calling it."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.layer, self.norm = what, nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.layer(x))
        return y + (nn.functional.linear(x, self.layer.weight) if self.what == "weight" else self.norm.running_mean)


@pytest.mark.parametrize("what", ["weight", "mean"])
def test_a_layer_whose_numbers_are_read_beside_its_call_is_left(what: str) -> None:
    net, x = settled(ReadsItsWeight(what)), torch.randn(3, 4, generator=torch.Generator().manual_seed(4))
    assert find_pairs(net) == []
    torch.testing.assert_close(fold_batch_norm(net)(x), net(x))


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4)),
])  # fmt: skip
def test_a_normalisation_along_another_axis_is_never_folded_silently(net: nn.Module) -> None:
    net, generator = settled(net), torch.Generator().manual_seed(5)
    linear = isinstance(net[0], nn.Linear)
    other = torch.randn((2, 4, 5) if linear else (3, 4), generator=generator)  # T = D, or no batch: normalised over T, L
    own = torch.randn((2, 5) if linear else (2, 3, 4), generator=generator)
    folded = fold_batch_norm(net)
    torch.testing.assert_close(folded(own), net(own))
    assert net(other).shape[1] == 4
    with pytest.raises(ModelError, match="normalises along another axis"):
        folded(other)
    left_out = fold_batch_norm(net, other)
    assert left(left_out) == 1
    torch.testing.assert_close(left_out(other), net(other))
    assert left(fold_batch_norm(net, own)) == 0


class Odd(nn.Linear):
    """Linear in its weight on one row or two, and something else on more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (1 + self.weight.mean() * (len(x) > 2))


def test_only_the_pair_that_disagrees_on_the_example_is_left_out() -> None:
    net = settled(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), Odd(4, 4), nn.BatchNorm1d(4)))
    example = torch.randn(5, 4, generator=torch.Generator().manual_seed(6))
    assert len(find_pairs(net)) == 2  # on one row it looks linear
    folded = fold_batch_norm(net, example)
    assert left(folded) == 1 and isinstance(folded[3], nn.BatchNorm1d)
    torch.testing.assert_close(folded(example), net(example), atol=1e-4, rtol=1e-4)


def test_a_backbone_that_folds_wrongly_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_classifier()
    assert backbone.folded() is not backbone
    monkeypatch.setattr("coldframe.backbones.base.fold_batch_norm", lambda net: settled(copy.deepcopy(net), 3))
    assert backbone.folded() is backbone


@pytest.mark.parametrize(("dtype", "within", "beyond"), [("fp32", 1.0009, 1.0011), ("bf16", 1.09, 1.12)])
def test_how_far_a_folded_copy_may_be_off(dtype: str, within: float, beyond: float) -> None:
    backbone = load_backbone("timm:test_resnet/random", dtype=dtype)
    for factor, agrees in ((within, True), (beyond, False)):
        other: Any = SimpleNamespace(run=lambda x, factor=factor: backbone.run(x).float() * factor)
        assert backbone._agrees(other) is agrees


@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
@pytest.mark.parametrize("part", [0, 1])
def test_a_pair_that_somebody_listens_to_is_left(hook: str, part: int) -> None:
    net = settled(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    assert find_pairs(net) == [Pair("0", "1")]
    getattr(net[part], hook)(lambda *_: None)
    assert find_pairs(net) == []


def test_what_carries_more_than_the_normalisation_keeps_it() -> None:
    norm = BatchNormAct2d(4, act_layer=nn.ELU)
    net = settled(nn.Sequential(nn.Conv2d(4, 4, 1), norm, nn.Conv1d(1, 1, 1)))[:2]
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(7))
    folded = fold_batch_norm(net)
    assert isinstance(folded[1], nn.ELU) and torch.allclose(folded(x), net(x), atol=1e-5)
    kinds = {nn.Linear(3, 4): 2, nn.Conv1d(3, 4, 1): 3, nn.ConvTranspose1d(3, 4, 1): 3, nn.Conv2d(3, 4, 1): None}
    for layer, axes in kinds.items():
        found = fold_batch_norm(settled(nn.Sequential(layer, nn.BatchNorm2d(4) if axes is None else nn.BatchNorm1d(4))))[1]
        assert repr(found) == (f"Rows(axes={axes})" if axes else "Identity()")
    grouped = settled(nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False), nn.BatchNorm2d(6, eps=0.3)))
    x = torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(8))
    assert torch.allclose(fold_batch_norm(grouped)(x), grouped(x), atol=1e-5) and left(fold_batch_norm(grouped)) == 0


def test_weights_that_learn_still_learn_after_folding() -> None:
    net = settled(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    net[0].weight.requires_grad_(False)
    folded = fold_batch_norm(net)
    assert not folded[0].weight.requires_grad and not folded[0].bias.requires_grad
    net[0].weight.requires_grad_(True)
    assert fold_batch_norm(net)[0].bias.requires_grad and not fold_batch_norm(net).training
