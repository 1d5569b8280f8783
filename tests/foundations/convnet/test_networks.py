"""The three networks: the exercise's sizes by hand, where weights start, what is frozen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from coldframe.errors import InputError
from coldframe.foundations.convnet.networks import Better, Small, build
from coldframe.foundations.convnet.whitening import filters


def test_the_exercise_network_is_the_one_written_out_by_hand() -> None:
    network = Small(10, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    one, two, three = (layer for layer in network.layers if isinstance(layer, nn.Conv2d))
    h = F.max_pool2d(F.mish(F.conv2d(x, one.weight, one.bias)), 2, 2)
    assert h.shape == (2, 32, 13, 13)
    h = F.mish(F.conv2d(F.mish(F.conv2d(h, two.weight, two.bias)), three.weight, three.bias))
    assert h.shape == (2, 64, 9, 9)
    expected = F.avg_pool2d(h, 9).flatten(1) @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(x), expected, rtol=1e-12, atol=1e-12)
    assert sum(p.numel() for p in network.parameters()) == 32 * 147 + 32 + 64 * 288 + 64 + 64 * 576 + 64 + 650
    assert network.first.shape == (32, 3, 7, 7)


def test_batch_normalisation_stands_before_each_mish_and_replaces_the_bias() -> None:
    network = Small(10, batch_norm=True)
    names = [type(layer).__name__ for layer in network.layers]
    stage = ["Conv2d", "BatchNorm2d", "Mish"]
    assert names == [*stage, "MaxPool2d", *stage, *stage]
    assert all(layer.bias is None for layer in network.layers if isinstance(layer, nn.Conv2d))
    assert sum(p.numel() for p in network.parameters()) == 32 * 147 + 64 * 288 + 64 * 576 + 2 * (32 + 64 + 64) + 650


def test_weights_start_from_kaiming_and_from_the_seed() -> None:
    a, b, c = (build("plain", 10, widths=(), seed=seed) for seed in (3, 3, 4))
    assert all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))
    assert not torch.equal(a.first, c.first)
    for module in a.modules():
        if isinstance(module, nn.Conv2d):
            assert float(module.weight.detach().std()) == pytest.approx(math.sqrt(2 / module.weight[0].numel()), rel=0.05)
            assert module.bias is not None and not module.bias.any()


def test_the_better_network_keeps_its_whitening_filters_and_starts_as_the_identity() -> None:
    whitening = filters(torch.randn(50, 3, 8, 8))
    network = build("better", 10, widths=(32, 48, 64), whitening=whitening, seed=1)
    assert isinstance(network, Better)
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    assert network.first.grad is None and network.first.equal(whitening)
    second = network.layers[5]
    assert isinstance(second, nn.Conv2d) and second.weight.grad is not None
    x = torch.randn(1, 32, 6, 6)
    torch.testing.assert_close(second(x), x)
    norms = [layer for layer in network.layers if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 6 and all(norm.weight.grad is None and norm.bias.grad is not None for norm in norms)


def test_unknown_names_and_missing_filters_are_one_sentence() -> None:
    with pytest.raises(InputError, match="unknown network 'betterr'; did you mean 'better'"):
        build("betterr", 10, widths=())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected whitening filters"):
        build("better", 10, widths=(8,))


def test_the_better_network_is_the_one_written_out_by_hand() -> None:
    whitening = filters(torch.randn(50, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    network = build("better", 10, widths=(40, 32), whitening=whitening, seed=1).double()
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    h = F.gelu(F.conv2d(x, whitening.double()))
    weights = [layer.weight for layer in network.layers if isinstance(layer, nn.Conv2d)]
    means = []

    def normalised(h: torch.Tensor) -> torch.Tensor:
        means.append(h.mean(dim=(0, 2, 3)))
        return F.batch_norm(h, None, None, training=True, eps=1e-12)

    for first, second in (weights[:2], weights[2:]):
        h = F.gelu(normalised(F.max_pool2d(F.conv2d(h, first, padding=1), 2)))
        h = F.gelu(normalised(F.conv2d(h, second, padding=1)))
    torch.testing.assert_close(network(x), h.amax(dim=(2, 3)) @ network.head.weight.T / 9, rtol=1e-8, atol=1e-8)
    norms = [layer for layer in network.layers if isinstance(layer, nn.BatchNorm2d)]
    for norm, mean in zip(norms, means, strict=True):
        torch.testing.assert_close(norm.running_mean, 0.4 * mean)
    for free in (weights[0][24:], network.head.weight):  # beyond the identity: uniform within 1 / sqrt(inputs)
        bound = free[0].numel() ** -0.5
        assert 0.98 * bound < float(free.detach().abs().max()) <= bound
