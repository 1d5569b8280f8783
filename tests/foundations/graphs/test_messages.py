"""Message passing in general, and what it gathers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coldframe.errors import InputError
from coldframe.foundations.graphs import Graph, MeanConv, MessagePassing, gather, named


def test_gathering_is_what_python_says() -> None:
    graph = Graph.of([(0, 2), (1, 2), (3, 2), (2, 0)], 5, directed=True)
    H = torch.tensor([[1.0, -5.0], [4.0, -2.0], [7.0, 7.0], [-3.0, -1.0], [9.0, 9.0]])
    for aggregate, expected in (("sum", [2.0, -8.0]), ("mean", [2 / 3, -8 / 3]), ("max", [4.0, -1.0])):
        found = gather(H[graph.arcs[0]], graph, aggregate)
        assert torch.allclose(found[2], torch.tensor(expected))
        assert torch.equal(found[0], H[2])
        assert found[[1, 3, 4]].abs().max() == 0


def test_the_mean_convolution_is_a_special_case() -> None:
    layer = MeanConv(3, 2)
    H = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    general = MessagePassing(lambda v, u, e: u, lambda v, m: m @ layer.W.T + v @ layer.B.T, "mean")
    assert torch.allclose(general(named("wheel:7"), H), layer(named("wheel:7"), H), atol=1e-6)


def test_own_modules_are_trained_and_see_both_ends_and_the_arc() -> None:
    torch_layers = nn.Linear(2 + 2 + 3, 4), nn.Linear(2 + 4, 5)
    layer = MessagePassing(
        lambda v, u, e: torch.relu(torch_layers[0](torch.cat([v, u, e], dim=1))),
        lambda v, m: torch_layers[1](torch.cat([v, m], dim=1)),
        "max",
    )
    graph = named("cycle:4")
    arcs = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    H = torch.randn(4, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
    result = layer(graph, H, arcs)
    result.square().sum().backward()
    assert result.shape == (4, 5) and H.grad is not None and torch_layers[0].weight.grad.abs().max() > 0
    ends = [torch.cat([H[v], H[u], arcs[i]]) for i, (u, v) in enumerate(graph.arcs.T)]
    by_hand = torch.relu(torch_layers[0](torch.stack(ends)))
    into = by_hand[graph.arcs[1] == 2].amax(dim=0)
    assert torch.allclose(result[2], torch_layers[1](torch.cat([H[2], into])), atol=1e-6)
    assert list(MessagePassing(nn.Linear(1, 1), nn.Linear(1, 1)).parameters())


def test_weights_reach_the_message() -> None:
    graph = Graph.of([(0, 1), (2, 1)], weights=[2.0, -3.0], directed=True)
    layer = MessagePassing(lambda v, u, e: e * u, lambda v, m: m)
    assert layer(graph, torch.tensor([[1.0], [1.0], [10.0]])).tolist() == [[0.0], [-28.0], [0.0]]


def test_what_does_not_fit_is_one_sentence() -> None:
    layer = MessagePassing(lambda v, u, e: u, lambda v, m: m)
    with pytest.raises(InputError, match="each of 3 nodes"):
        layer(named("path:3"), torch.zeros(2, 1))
    with pytest.raises(InputError, match="each of 4 arcs"):
        layer(named("path:3"), torch.zeros(3, 1), torch.zeros(3, 1))
    with pytest.raises(InputError, match="did you mean 'mean'"):
        MessagePassing(layer.message, layer.update, "men")
    with pytest.raises(InputError, match="unknown aggregation 'median'"):
        gather(torch.zeros(4, 1), named("path:3"), "median")
