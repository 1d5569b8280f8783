"""Drawings show every node once and every edge once."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.foundations.graphs import Graph, named
from coldframe.foundations.graphs.drawing import draw_graph, failures, layout, spread_out
from coldframe.foundations.graphs.failures import Failures
from coldframe.report.figures.style import style


@pytest.mark.parametrize("name", ["star:7", "wheel:7", "cycle:6", "path:4", "complete:5", "karate", "path:1"])
def test_every_node_has_a_place_of_its_own(name: str) -> None:
    graph = named(name)
    places = layout(graph)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(graph.n)
    assert places.shape == (graph.n, 2) and gaps.min() > 0.02
    assert np.array_equal(places, layout(graph))


def test_nodes_edges_and_weights_are_drawn() -> None:
    graph = Graph.of([(0, 1), (1, 0), (1, 2), (2, 2)], weights=[1.5, 2.5, 3.5, 4.5], directed=True)
    axes = draw_graph(graph).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert [t for t in texts if t in ("0", "1", "2")] == ["0", "1", "2"]
    assert {"1.5", "2.5", "3.5"} <= set(texts) and "↻" in texts
    assert sum(text.arrow_patch is not None for text in axes.texts) == 3


def test_growth_is_read_off_plain_numbers() -> None:
    sizes = [1_000, 10_000, 100_000]
    found = Failures(
        [0.6], [0.3], [0.4], "no", [0.8], [0.8], [0.7], 0.0, sizes, [40_000, 180_000, 1_600_000],
        [2_400_000, 110_000_000, 10_000_000_000], [46_000] * 3,
    )  # fmt: skip
    figure = failures(found)
    with style():
        figure.canvas.draw()
    right = figure.axes[1]
    texts = [label.get_text() for axis in (right.xaxis, right.yaxis) for label in axis.get_ticklabels()]
    assert {"1,000", "100,000", "1 M", "10 G"} <= set(texts) and not any("$" in text for text in texts)


def test_nodes_are_pushed_apart_and_those_far_apart_stay() -> None:
    places = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = spread_out(places)
    gaps = [np.linalg.norm(found[i] - found[j]) for i in range(4) for j in range(i)]
    assert min(gaps) > 0.07
    np.testing.assert_array_equal(found[2:], places[2:])
    karate = layout(named("karate"))
    near = np.linalg.norm(karate[:, None] - karate[None], axis=-1) + 9 * np.eye(len(karate))
    assert near.min() > 0.06 * np.ptp(karate, axis=0).max()
