"""The three failures and over-smoothing are measured on what was really trained."""

from __future__ import annotations

from statistics import fmean

import torch

from coldframe.foundations.graphs import Citations, NodeClassifier
from coldframe.foundations.graphs.failures import measure_failures, measure_smoothing, padded, part, relabelled


def test_relabelled_and_part_data_keep_words_labels_and_splits(tiny: Citations) -> None:
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    moved = relabelled(tiny, order)
    assert torch.equal(moved.features.dense()[order], tiny.features.dense()) and torch.equal(moved.labels[order], tiny.labels)
    assert torch.equal(moved.labels[moved.test], tiny.labels[tiny.test])
    half = part(tiny, order[:45])
    assert half.graph.n == 45 and torch.equal(half.labels, tiny.labels[order[:45]])
    assert len(half.train) + len(half.val) + len(half.test) == 45
    whole = padded(half, 90)
    network = NodeClassifier("gcn", 12, 3).eval()
    assert torch.allclose(network(whole.graph, whole.features)[:45], network(half.graph, half.features), atol=1e-6)


def test_the_mlp_fails_and_the_graph_network_does_not(tiny: Citations) -> None:
    found = measure_failures(tiny, seeds=2, epochs=60)
    assert found.score_change < 1e-5 and found.graph == found.graph_relabelled
    assert fmean(found.graph_relabelled) > fmean(found.mlp_relabelled) + 0.1
    assert "expected a graph of 90 nodes, as in training, found 45" in found.mlp_refusal
    assert len(set(found.graph_parameters)) == 1 and found.mlp_parameters[-1] > 50 * found.mlp_parameters[0]
    assert found.mlp_inputs[-1] > 5_000 * found.mlp_inputs[0]
    assert len(found.lines()) == 3


def test_deep_networks_make_nodes_alike(tiny: Citations) -> None:
    shallow, deep = measure_smoothing(tiny, ("gcn",), (2, 16), seeds=2, epochs=20)
    assert fmean(deep.spread) < fmean(shallow.spread)
    assert fmean(deep.test) < fmean(shallow.test)
