"""The three failures and over-smoothing are measured on what was really trained."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
import torch
from drawn import same_numbers, same_text

from coldframe.foundations.graphs import Citations, NodeClassifier, failures
from coldframe.foundations.graphs.failures import (
    Failures,
    _spread,
    measure_failures,
    measure_smoothing,
    padded,
    part,
    relabelled,
)  # fmt: skip
from coldframe.foundations.graphs.fitting import Fit


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


def test_parameters_and_inputs_are_those_of_the_formulas(tiny: Citations, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Fit(NodeClassifier("mean", 12, 3), 0.5, 0.5, 1.0, 1, 0.0)
    seen: list[tuple[int, int]] = []

    def fitted(network: Any, data: Citations, *, epochs: int, seed: int) -> Fit:
        seen.append((epochs, seed))
        return replace(run, network=network.eval())

    monkeypatch.setattr(failures, "fit", fitted)
    found = measure_failures(tiny, seeds=2, epochs=7)
    assert seen == [(7, 0), (7, 0), (7, 1), (7, 1)]
    sizes = [1_000, 10_000, 100_000]
    assert found.nodes == sizes and found.mlp_inputs == [n * (n + 12) for n in sizes]
    assert found.mlp_parameters == [(n + 12) * 16 + 16 + 16 * 3 + 3 for n in sizes]
    assert found.graph_parameters == [2 * 12 * 16 + 16 + 2 * 16 * 3 + 3] * 3
    assert all(len(values) == 2 for values in (found.mlp, found.mlp_relabelled, found.mlp_part, found.graph, found.graph_part))


def test_what_is_said_of_failures_is_what_it_was() -> None:
    found = Failures(
        [0.6, 0.7], [0.3, 0.2], [0.4, 0.5], "no", [0.8, 0.9], [0.7, 0.8], [0.75, 0.7], 3e-7, [1_000, 10_000], [40_000, 180_000],
        [2_400_000, 110_000_000], [46_000, 46_001],
    )  # fmt: skip
    same_text(__file__, "lines", "\n".join(found.lines()) + "\n")


def test_the_spread_is_the_mean_distance_of_pairs_and_two_dead_nodes_are_alike(tiny: Citations) -> None:
    class Known:
        def __init__(self, h: torch.Tensor) -> None:
            self.h = h

        def embed(self, *_: object) -> torch.Tensor:
            return self.h

    angles = torch.arange(90.0)
    h = torch.stack([angles.cos(), angles.sin()], dim=1) * (angles < 60)[:, None]  # a third of all nodes are dead
    apart = 1 - (angles[:60, None] - angles[:60]).cos()
    pairs = (float(apart.sum()) + 2 * 60 * 30) / 90**2  # a living and a dead node are at a right angle
    found = _spread(Fit(Known(h), 0.5, 0.5, 1.0, 1, 0.0), tiny)  # type: ignore[arg-type]
    assert abs(found - pairs) < 0.03
    same_numbers(__file__, "spread", {"spread": [found]}, 1e-5)
