"""The graphs of the exercise are the derived ones; the others are those of networkx."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.graphs import by_name, named, power, random_graph

STAR = [[0, 1, 1, 1, 1, 1, 1]] + [[1, 0, 0, 0, 0, 0, 0]] * 6
WHEEL = [
    [0, 1, 1, 1, 1, 1, 1],
    [1, 0, 1, 0, 0, 0, 1],
    [1, 1, 0, 1, 0, 0, 0],
    [1, 0, 1, 0, 1, 0, 0],
    [1, 0, 0, 1, 0, 1, 0],
    [1, 0, 0, 0, 1, 0, 1],
    [1, 1, 0, 0, 0, 1, 0],
]
CYCLE = [
    [0, 1, 0, 0, 0, 1],
    [1, 0, 1, 0, 0, 0],
    [0, 1, 0, 1, 0, 0],
    [0, 0, 1, 0, 1, 0],
    [0, 0, 0, 1, 0, 1],
    [1, 0, 0, 0, 1, 0],
]
CYCLE_SQUARED = [
    [2, 0, 1, 0, 1, 0],
    [0, 2, 0, 1, 0, 1],
    [1, 0, 2, 0, 1, 0],
    [0, 1, 0, 2, 0, 1],
    [1, 0, 1, 0, 2, 0],
    [0, 1, 0, 1, 0, 2],
]


@pytest.mark.parametrize(("name", "matrix"), [("star:7", STAR), ("wheel:7", WHEEL), ("cycle:6", CYCLE)])
def test_the_three_graphs_of_the_exercise(name: str, matrix: list[list[int]]) -> None:
    assert named(name).adjacency_lists() == matrix


def test_the_square_of_the_cycle() -> None:
    assert power(named("cycle:6"), 2).tolist() == CYCLE_SQUARED


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("star:5", networkx.star_graph(4)),
        ("wheel:6", networkx.wheel_graph(6)),
        ("cycle:3", networkx.cycle_graph(3)),
        ("path:4", networkx.path_graph(4)),
        ("path:1", networkx.path_graph(1)),
        ("complete:5", networkx.complete_graph(5)),
        ("karate", networkx.karate_club_graph()),
    ],
)
def test_named_graphs_are_those_of_networkx(name: str, theirs: networkx.Graph) -> None:
    assert np.array_equal(named(name).adjacency().numpy(), networkx.to_numpy_array(theirs, weight=None))


@pytest.mark.parametrize(
    "name", ["start:7", "wheel:3", "cycle", "cycle:2", "star:-1", "star:x", "karate:5", "complete:100000", ""]
)
def test_names_that_mean_nothing_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        named(name)
    if name == "start:7":
        with pytest.raises(InputError, match="did you mean 'star'"):
            named(name)


def test_random_graphs_follow_their_generator() -> None:
    a, b = (random_graph(50, 200, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(a.arcs, b.arcs) and a.directed and 150 < a.arcs.shape[1] <= 200


@pytest.mark.parametrize("smallest", ["star:1", "wheel:4", "cycle:3", "path:1", "complete:1"])
def test_the_smallest_and_the_largest_of_each_kind(smallest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, _, n = smallest.partition(":")
    assert named(smallest).n == int(n)
    with pytest.raises(InputError, match=f"{kind}:N with N of {n} or more nodes"):
        named(f"{kind}:{int(n) - 1}")
    for size in ("1000001", "9" * 18):
        with pytest.raises(InputError, match="with N of at most 1,000,000 nodes"):
            named(f"{kind}:{size}")
    with pytest.raises(InputError, match=f"with N of {n} or more nodes"):
        named(f"{kind}:{'9' * 19}")
    with pytest.raises(InputError, match="complete graph of at most 5,000 nodes"):
        named("complete:5001")
    monkeypatch.setattr(by_name, "LARGEST", 6)
    assert named(f"{kind}:6").n == 6
    with pytest.raises(InputError, match="at most 6 nodes, found 7"):
        named(f"{kind}:7")


def test_random_graphs_need_a_node_and_no_arcs() -> None:
    assert random_graph(1, 0).arcs.shape == (2, 0)
    for n, arcs in ((0, 0), (1, -1)):
        with pytest.raises(InputError, match=f"found n={n} and arcs={arcs}"):
            random_graph(n, arcs)
