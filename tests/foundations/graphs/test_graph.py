"""Graphs, their matrices, and the sentences for what is not one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import networkx
import numpy as np
import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.graphs import Graph, named
from coldframe.foundations.graphs import graph as graph_room


def test_an_edge_list_makes_a_symmetric_matrix_and_listing_an_edge_twice_changes_nothing() -> None:
    once = Graph.of([(0, 1), (1, 2)])
    again = Graph.of(np.array([[0, 1], [1, 0], [1, 2], [0, 1]]))
    assert once.adjacency_lists() == again.adjacency_lists() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert once.degree_matrix().tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert (once.edge_count, once.arcs.shape[1]) == (2, 4)
    assert all(isinstance(value, int) for row in once.adjacency_lists() for value in row)


def test_a_directed_graph_keeps_one_way_and_counts_arcs_into_a_node() -> None:
    graph = Graph.of([(0, 1), (2, 1), (1, 0)], directed=True)
    assert graph.adjacency_lists() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert graph.degrees().tolist() == [1, 2, 0]
    assert graph.edge_count == 3


def test_weights_self_loops_and_isolated_nodes() -> None:
    graph = Graph.of([(0, 1), (1, 1)], 4, weights=[2.5, 3])
    assert graph.adjacency_lists() == [[0, 2.5, 0, 0], [2.5, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert graph.degrees().tolist() == [2.5, 5.5, 0, 0]
    assert graph.edge_count == 2
    looped = graph.with_self_loops()
    assert looped.adjacency().diagonal().tolist() == [1, 3, 1, 1]


@pytest.mark.parametrize("directed", [False, True])
def test_dense_and_sparse_matrices_agree_with_networkx(directed: bool) -> None:
    theirs = networkx.gnm_random_graph(12, 30, seed=3, directed=directed)
    graph = Graph.of(list(theirs.edges), 12, directed=directed)
    expected = networkx.to_numpy_array(theirs)
    assert np.array_equal(graph.adjacency().numpy(), expected)
    assert np.array_equal(graph.sparse_adjacency().to_dense().numpy(), expected)


def test_renaming_nodes_is_p_a_p_transposed() -> None:
    graph = Graph.of([(0, 1), (1, 2), (2, 2)], 4, weights=[1.0, 2.0, 3.0])
    order = torch.tensor([2, 0, 3, 1])
    P = torch.zeros(4, 4, dtype=torch.float64)
    P[order, torch.arange(4)] = 1
    assert torch.equal(graph.relabelled(order).adjacency(), P @ graph.adjacency() @ P.T)


def test_a_part_keeps_the_arcs_between_its_nodes() -> None:
    part = named("wheel:7").part(torch.tensor([3, 0, 4]))
    assert part.adjacency_lists() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("edges", "options", "sentence"),
    [
        ([(0, 1), (1, 9)], {"n": 7}, "edge 1 joins nodes 1 and 9, but the graph has nodes 0 to 6"),
        ([(0, -1)], {}, "joins nodes 0 and -1"),
        ([], {}, "at least one node, found an empty one"),
        ([], {"n": 0}, "at least one node, found an empty one"),
        ([(0, 1)], {"weights": [1.0, 2.0]}, "one weight for each of 1 edges"),
        ([(0, 1)], {"weights": [float("nan")]}, "found nan at edge 0"),
        ([(0, 1)], {"weights": [0.0]}, "found 0.0 at edge 0"),
        ([(0, 1), (1, 0)], {"weights": [1.0, 2.0]}, "edge 1-0 is listed with the weights 2 and 1"),
        ([[0, 1, 2]], {}, r"pairs of whole numbers \[E, 2\], found int64 \[1, 3\]"),
        ([(0.5, 1.0)], {}, "found float32"),
        ([(0, 1), (2,)], {}, "expected pairs of whole numbers"),
    ],
)
def test_what_is_not_a_graph_is_said_in_one_sentence(edges: list, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        Graph.of(edges, **options)
    assert "\n" not in str(caught.value) and "; " in str(caught.value)


def test_a_matrix_that_would_not_fit_is_refused_and_a_wrong_permutation_too() -> None:
    large = Graph.of([(0, 1)], 30_000)
    with pytest.raises(InputError, match="use sparse_adjacency"):
        large.adjacency()
    with pytest.raises(InputError, match="use degrees"):
        large.degree_matrix()
    with pytest.raises(InputError, match="permutation"):
        named("path:3").relabelled(torch.tensor([0, 0, 1]))


def test_the_largest_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Graph.of([(0, 1)], 20_001)
    for matrix in (large.adjacency, large.degree_matrix):
        with pytest.raises(InputError, match="expected at most 20,000 nodes for a dense matrix, found 20,001"):
            matrix()
    monkeypatch.setattr(graph_room, "DENSE_LIMIT", 3)
    assert named("path:3").adjacency().shape == named("path:3").degree_matrix().shape == (3, 3)
    for matrix in (named("path:4").adjacency, named("path:4").degree_matrix):
        with pytest.raises(InputError, match="at most 3 nodes"):
            matrix()


def test_the_first_wrong_edge_and_weight_are_named_and_weights_listed_twice_may_agree() -> None:
    with pytest.raises(InputError, match="edge 1 joins nodes 2 and 3"):
        Graph.of([(0, 1), (2, 3), (8, 9)], 3)
    with pytest.raises(InputError, match="found inf at edge 1"):
        Graph.of([(0, 1), (1, 2), (2, 0)], weights=[1.0, float("inf"), 0.0])
    assert Graph.of([(0, 1), (1, 0)], weights=[2, 2]).adjacency_lists() == [[0.0, 2.0], [2.0, 0.0]]
    with pytest.raises(InputError, match="found bool"):
        Graph.of(np.array([[True, False]]))
    part = Graph.of([(0, 1), (1, 2), (2, 2)], weights=[1.0, 2.0, 3.0]).part(torch.tensor([2, 1]))
    assert part.adjacency_lists() == [[3.0, 2.0], [2.0, 0.0]] and part.n == 2


def test_two_graphs_are_never_equal_and_none_is_changed() -> None:
    graph = named("path:3")
    assert graph == graph and graph != named("path:3")
    with pytest.raises(FrozenInstanceError):
        graph.n = 4  # type: ignore[misc]
