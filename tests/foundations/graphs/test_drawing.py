"""Drawings show every node once and every edge once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import same_numbers, unchanged

from coldframe.foundations.graphs import Citations, Graph, drawing, named
from coldframe.foundations.graphs.classifier import NodeClassifier
from coldframe.foundations.graphs.drawing import (
    curves,
    draw_graph,
    embeddings,
    failures,
    layout,
    principal,
    smoothing,
    spread_out,
)
from coldframe.foundations.graphs.failures import Depth, Failures
from coldframe.foundations.graphs.fitting import Fit
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
    loops = [text.get_text() for text in draw_graph(Graph.of([(0, 1), (1, 1)])).axes[0].texts]
    assert loops.count("↻") == 1 and loops.count("") == 1  # the loop and the edge of a graph without direction
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


def fits(tiny: Citations, layers: tuple[str, ...]) -> dict[str, list[Fit]]:
    made: dict[str, list[Fit]] = {}
    for layer in layers:
        runs = []
        for seed in range(2):
            network = NodeClassifier(layer, 12, tiny.classes, hidden=4, seed=seed)  # type: ignore[arg-type]
            history = [{"epoch": e, "loss": 2.0 / (e + seed), "val": 0.1 * (e + seed)} for e in (1, 2, 3)]
            runs.append(Fit(network, 0.5 + 0.1 * seed, 0.6 + 0.1 * seed, 1.0, 3, 0.1, history))
        made[layer] = runs
    return made


def test_every_figure_is_drawn_as_it_was(tiny: Citations, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sign of an eigenvector is the library's own choice: the points are given here.
    angles = np.arange(90.0)
    monkeypatch.setattr(drawing, "principal", lambda network, data: np.stack([np.cos(angles), angles * np.sin(angles)], 1))
    layers = ("mean", "gcn", "mlp")
    sizes = [1_000, 10_000, 100_000]
    found = Failures(
        [0.6, 0.7], [0.3, 0.3], [0.4, 0.5], "no", [0.8, 0.9], [0.8, 0.9], [0.7, 0.7], 0.0, sizes, [40_000, 180_000, 1_600_000],
        [2_400_000, 110_000_000, 10_000_000_000], [46_000] * 3,
    )  # fmt: skip
    depths = [Depth("mean", 2, [0.8, 0.7], [0.5, 0.4]), Depth("mean", 4, [0.3, 0.5], [0.1, 0.2])]
    weighted = Graph.of([(0, 1), (1, 0), (1, 2), (2, 2)], weights=[1.5, 2.5, 3.5, 4.5], directed=True)
    figures = {
        "curves": curves(fits(tiny, layers[:1])), "embeddings": embeddings(fits(tiny, layers), tiny),
        "failures": failures(found), "smoothing": smoothing(depths), "directed": draw_graph(weighted),
        "wheel": draw_graph(named("wheel:5")), "path": draw_graph(named("path:3")), "one": draw_graph(named("path:1")),
        "large": draw_graph(named("cycle:21")),
    }  # fmt: skip
    for name, figure in figures.items():
        unchanged(__file__, name, figure)


def test_the_two_directions_are_those_of_largest_variance(tiny: Citations) -> None:
    network = NodeClassifier("mean", 12, tiny.classes, hidden=4, dropout=0.9)
    points = principal(network, tiny)
    with torch.no_grad():
        h = network.embed(tiny.graph, tiny.features)
    assert isinstance(h, torch.Tensor)
    largest = np.linalg.eigvalsh(np.cov(h.double().numpy().T))[::-1]
    np.testing.assert_allclose(np.cov(points.T), np.diag(largest[:2]), atol=1e-12)
    one = principal(NodeClassifier("mean", 12, tiny.classes, hidden=1), tiny)
    assert one.shape == (90, 2) and (one[:, 1] == 0).all()


def test_circles_start_above_and_springs_keep_neighbours_near() -> None:
    np.testing.assert_allclose(layout(named("cycle:4")), [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-12)
    np.testing.assert_allclose(layout(named("star:5"))[:2], [[0, 0], [0, 1]], atol=1e-12)
    pair = layout(Graph.of([(0, 1)], 2))
    np.testing.assert_allclose(np.linalg.norm(pair[0] - pair[1]), 2**0.5, rtol=0.05)  # sqrt(4 / n), where the forces balance


def test_a_few_rounds_of_springs_and_pushes_give_the_places_they_gave() -> None:
    graph = Graph.of([(0, 1), (1, 2), (2, 2), (3, 1), (4, 5)], 6, weights=[1.0, -2.0, 1.0, 0.5, 3.0], directed=True)
    places = {f"after {rounds}": layout(graph, rounds=rounds, seed=1)[:4] for rounds in (0, 1, 3)}
    same_numbers(__file__, "springs", places, 1e-5)
    assert layout(named("star:1")).shape == (1, 2)


def test_two_in_one_place_part_along_an_angle_and_two_too_near_by_half_of_what_is_missing() -> None:
    turn = np.array([np.cos(2.4), np.sin(2.4)])
    np.testing.assert_allclose(spread_out(np.zeros((2, 2)), rounds=1), [-0.0375 * turn, 0.0375 * turn], atol=1e-12)
    near = np.array([[x, y] for x in range(10) for y in range(10)], dtype=float)
    near[10] = [0.1, 0.0]  # of 100 places on a side of 9: no two may be nearer than 0.7 / 10 of 9
    moved = spread_out(near, rounds=1)
    np.testing.assert_allclose(moved[[0, 10]], [[-0.265, 0.0], [0.365, 0.0]], atol=1e-9)
    np.testing.assert_allclose(np.delete(moved, [0, 10], 0), np.delete(near, [0, 10], 0))
    np.testing.assert_allclose(spread_out(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.05]]), rounds=1)[1:, 1], [-0.0125, 0.0625])


def test_sizes_of_a_graph_follow_its_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [draw_graph(named(f"cycle:{n}")).get_size_inches()[0] for n in (20, 21)] == pytest.approx([5, 7], rel=1e-6)
    for n, labelled in ((40, 40), (41, 0)):
        ring = Graph.of([(i, (i + 1) % n) for i in range(n)], weights=[0.5] * n, name=f"cycle:{n}")
        assert sum(text.get_text() == "0.5" for text in draw_graph(ring).axes[0].texts) == labelled
    hundred, more = (draw_graph(named(f"cycle:{n}")).axes[0] for n in (100, 101))
    assert [sum(text.get_text().isdigit() for text in axes.texts) for axes in (hundred, more)] == [100, 0]
    assert hundred.lines[0].get_markersize() == 8
    monkeypatch.setattr(drawing, "layout", lambda graph: np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert draw_graph(named("path:2")).get_size_inches().tolist() == [3, 5]
