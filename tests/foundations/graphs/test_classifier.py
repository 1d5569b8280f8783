"""Networks of every kind learn, and the MLP on [A, H] is tied to its graph."""

from __future__ import annotations

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.graphs import AdjacencyMLP, Citations, NodeClassifier, SparseFeatures, named
from coldframe.foundations.graphs.classifier import parameter_count, with_adjacency


@pytest.mark.parametrize("layer", ["mean", "gcn", "gat", "mlp"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_shapes_and_seeds(layer: str, depth: int, tiny: Citations) -> None:
    network = NodeClassifier(layer, 12, 3, depth=depth, seed=4)
    network.eval()
    scores = network(tiny.graph, tiny.features)
    again = NodeClassifier(layer, 12, 3, depth=depth, seed=4).eval()(tiny.graph, tiny.features.dense())
    assert scores.shape == (90, 3) and torch.allclose(scores, again, atol=1e-6)
    other = NodeClassifier(layer, 12, 3, depth=depth, seed=5).eval()(tiny.graph, tiny.features)
    assert not torch.allclose(scores, other)
    network.train()
    assert not torch.equal(network(tiny.graph, tiny.features), network(tiny.graph, tiny.features))


def test_a_layer_without_the_graph_does_not_see_it(tiny: Citations) -> None:
    network = NodeClassifier("mlp", 12, 3).eval()
    assert torch.equal(network(tiny.graph, tiny.features), network(named("cycle:90"), tiny.features))


def test_the_mlp_reads_a_and_h_and_one_size_only(tiny: Citations) -> None:
    both = with_adjacency(tiny.graph, tiny.features).dense()
    assert torch.equal(both, torch.cat([tiny.graph.adjacency(torch.float32), tiny.features.dense()], dim=1))
    network = AdjacencyMLP(90, 12, 3, hidden=5).eval()
    assert network(tiny.graph, tiny.features).shape == (90, 3)
    assert parameter_count(network) == (90 + 12) * 5 + 5 + 5 * 3 + 3
    with pytest.raises(InputError, match="expected a graph of 91 nodes"):
        AdjacencyMLP(91, 12, 3)(tiny.graph, tiny.features)


def test_what_cannot_be_built_is_one_sentence() -> None:
    with pytest.raises(InputError, match="did you mean 'gcn'"):
        NodeClassifier("gcm", 2, 2)
    with pytest.raises(InputError, match="depth to be a whole number from 1"):
        NodeClassifier("gcn", 2, 2, depth=0)
    with pytest.raises(InputError, match="multiple of 8 heads"):
        NodeClassifier("gat", 2, 2, hidden=12)
    with pytest.raises(InputError, match=r"dropout in \[0, 1\), found 1"):
        NodeClassifier("gcn", 2, 2, dropout=1)


def test_what_is_kept_of_a_graph_follows_when_graph_or_features_change(tiny: Citations) -> None:
    network = AdjacencyMLP(90, 12, 3).eval()
    with torch.inference_mode():
        first = network(tiny.graph, tiny.features).clone()
    network(tiny.graph, tiny.features).sum().backward()  # what was kept under inference mode can be trained with
    other = SparseFeatures.of(tiny.features.dense().flip(0))
    assert not torch.allclose(network(named("cycle:90"), tiny.features), first)
    assert not torch.allclose(network(tiny.graph, other), first)
    assert torch.equal(network(tiny.graph, tiny.features), first)
    network.train()
    assert not torch.equal(network(tiny.graph, tiny.features), network(tiny.graph, tiny.features))
