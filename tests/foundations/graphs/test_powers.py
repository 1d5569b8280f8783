"""Powers of A count the walks that can be listed."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.foundations.graphs import Graph, count_walks, named, power, powers, walks


@pytest.mark.parametrize("name", ["star:7", "wheel:7", "cycle:6", "path:4", "complete:4"])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_counts_equal_the_listed_walks(name: str, length: int) -> None:
    graph = named(name)
    counts = power(graph, length).tolist()
    for u in range(graph.n):
        for v in range(graph.n):
            found = walks(graph, length, u, v)
            assert len(found) == len(set(found)) == counts[u][v] == count_walks(graph, length, u, v)
            assert all(walk[0] == u and walk[-1] == v and len(walk) == length + 1 for walk in found)


def test_walks_follow_arcs_and_use_self_loops_once_a_step() -> None:
    graph = Graph.of([(0, 1), (1, 1), (1, 2)], directed=True)
    assert walks(graph, 3, 0, 2) == [(0, 1, 1, 2)]
    assert power(graph, 3).tolist()[0] == [0, 1, 1]
    assert walks(graph, 1, 2, 0) == []


def test_weights_multiply_along_a_walk() -> None:
    graph = Graph.of([(0, 1), (1, 2)], weights=[2.0, 3.0], directed=True)
    assert power(graph, 2)[0, 2] == count_walks(graph, 2, 0, 2) == 6


def test_what_cannot_be_counted_or_listed_is_refused() -> None:
    with pytest.raises(InputError, match="0 or more steps"):
        power(named("path:2"), -1)
    with pytest.raises(InputError, match="64-bit"):
        power(named("complete:10"), 40)
    with pytest.raises(InputError, match="at most 10 walks"):
        walks(named("complete:6"), 5, 0, 0, most=10)
    with pytest.raises(InputError, match="a node from 0 to 1"):
        count_walks(named("path:2"), 1, 0, 5)


def test_counts_are_exact_up_to_the_last_length_that_fits() -> None:
    graph = named("complete:7")  # of 7 nodes: (6^n - (-1)^n) / 7 walks between two nodes, and one more to itself if n is even
    for length in (3, 19, 20, 21, 25):  # 2^53 lies between the second and the fourth
        between = (6**length - (-1) ** length) // 7
        found = power(graph, length)
        assert int(found[0, 1]) == between and int(found[2, 2]) == between + (-1) ** length
    for length in (26, 27, 10_000):
        with pytest.raises(InputError, match=f"found more at length {length}; choose a shorter length"):
            power(graph, length)
    assert power(Graph.of([(0, 1)]), 9_999).tolist() == [[0, 1], [1, 0]]  # long walks whose counts stay small


def test_counts_of_one_pair_are_whole_numbers_as_long_as_they_are_exact() -> None:
    graph = named("complete:7")
    found = count_walks(graph, 21, 0, 1), count_walks(graph, 22, 0, 1)
    assert [type(value) for value in found] == [int, float] and found[0] == (6**21 + 1) // 7 < 2**53 < found[1]
    weighted = Graph.of([(0, 1)], weights=[2.0])
    assert isinstance(count_walks(weighted, 1, 0, 1), float)


def test_limits_of_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = named("complete:4")
    listed = walks(graph, 3, 0, 0)
    assert walks(graph, 3, 0, 0, most=len(listed)) == listed
    with pytest.raises(InputError, match=f"at most {len(listed) - 1} walks"):
        walks(graph, 3, 0, 0, most=len(listed) - 1)
    assert walks(graph, 0, 2, 2) == [(2,)] and walks(graph, 0, 2, 1) == []
    for ends in ((-1, 0), (4, 0), (0, 4), (0, -1)):
        with pytest.raises(InputError, match=f"a node from 0 to 3, found {next(node for node in ends if node)}"):
            walks(graph, 2, *ends)
    with pytest.raises(InputError, match="0 or more steps, found -1"):
        walks(graph, -1, 0, 0)
    needs: list[float] = []
    monkeypatch.setattr(powers, "check_fits", lambda name, n, bytes_of, of: needs.append(bytes_of(n)))
    assert power(graph, 0).tolist() == np.eye(4).tolist() and needs == [6 * 8 * 4 * 4]
