"""Scale and bias cancel in whole networks where a normalisation follows, and not elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coldframe.errors import InputError
from coldframe.foundations.batch_norm import bias_redundancy, scale_invariance

X = torch.randn(8, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def network(eps: float) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=eps), nn.ELU(), nn.Dropout(0.5),
            nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, eps=eps), nn.Flatten(), nn.Linear(20, 2),
        ).double()  # fmt: skip


def test_scale_cancels_up_to_epsilon() -> None:
    exact, usual = scale_invariance(network(1e-15), X), scale_invariance(network(1e-2), X)
    assert [change.layer for change in exact] == ["0", "4"]
    assert all(change.output < 1e-10 and change.along < 1e-10 for change in exact)
    assert all(change.output > 1e-4 and change.along > 1e-5 for change in usual)


def test_the_part_along_the_weight_is_the_cosine_with_its_gradient() -> None:
    net = network(1e-2)
    found = {change.layer: change.along for change in scale_invariance(net, X)}
    net.train()[3].eval()  # dropout changes outputs by itself
    outputs = net(X)
    (outputs * torch.linspace(-1, 1, outputs.numel()).to(X).view_as(outputs)).sum().backward()
    for name in ("0", "4"):
        weight = net.get_submodule(name).weight
        cosine = torch.cosine_similarity(weight.flatten(), weight.grad.flatten(), dim=0)
        assert found[name] == pytest.approx(float(cosine.detach().abs()), rel=1e-6)


def test_bias_cancels_whatever_epsilon_is() -> None:
    found = bias_redundancy(network(1e-2), X)
    assert [change.layer for change in found] == ["0", "4"]
    assert all(change.output < 1e-10 and change.bias_gradient < 1e-10 for change in found)


def test_the_network_is_left_alone() -> None:
    net = network(1e-5)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    bias_redundancy(net, X)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items()) and net[0].bias is None


def test_what_cannot_be_measured_is_one_sentence() -> None:
    with pytest.raises(InputError, match="expected a layer followed by batch normalisation, found none"):
        scale_invariance(nn.Linear(3, 2), X)
    for factor in (-1, 0):
        with pytest.raises(InputError, match=f"expected a factor above 0, found {factor}"):
            scale_invariance(network(1e-5), X, factor)
