"""The checks find what holds, and find it out when it does not."""

from __future__ import annotations

import math
from ast import literal_eval

import pytest
import torch
from drawn import same_text

from coldframe.foundations.graphs import Graph, MeanConv, check_all, check_equivariance, identities, named, sinusoids
from coldframe.foundations.graphs.identities import Finding, check_attention, check_linearity, check_order, check_walks


@pytest.mark.parametrize(
    "graph",
    [
        named("star:7"),
        named("wheel:7"),
        named("cycle:6"),
        Graph.of([(0, 1), (1, 1), (2, 1), (3, 0)], 5, weights=[0.5, 1.5, 2.0, 1.0], directed=True),
        Graph.of([], 2),
    ],
    ids=lambda graph: graph.name,
)
def test_every_claim_holds(graph: Graph) -> None:
    found = check_all(graph)
    assert len(found) >= 10
    assert [finding.claim for finding in found if not finding.holds] == []


def test_a_layer_that_reads_the_order_of_nodes_is_found_out() -> None:
    place = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    assert not check_equivariance(lambda graph, H: H * place, named("wheel:7"), 3).holds
    first = MeanConv(3, 2).double()
    assert check_equivariance(first, named("wheel:7"), 3).holds


@pytest.mark.parametrize("name", ["star:3", "star:7", "path:3", "karate"])
def test_a_counterexample_for_max_is_found_and_right(name: str) -> None:
    finding = check_linearity(named(name), "max")
    assert finding.holds and finding.difference >= 1
    lists, _, sums = finding.detail.partition(": max(X + Y) = ")
    assert sums and "X = [" in lists
    if name != "karate":
        x, y = (literal_eval(part) for part in lists.split("X = ")[1].split(", Y = "))
        together, apart = (int(part.rsplit(" ", 1)[-1]) for part in sums.split(", max X + max Y = "))
        assert max(a + b for a, b in zip(x, y, strict=True)) == together
        assert max(x) + max(y) == apart != together


def test_max_over_single_neighbours_is_linear_so_no_counterexample_is_claimed() -> None:
    assert not check_linearity(named("path:2"), "max").holds
    assert check_linearity(named("wheel:7"), "sum").holds and check_linearity(named("wheel:7"), "mean").holds


@pytest.mark.parametrize(("tokens", "heads"), [(1, 1), (5, 1), (9, 4)])
def test_attention_is_message_passing(tokens: int, heads: int) -> None:
    assert check_attention(tokens=tokens, heads=heads).difference < 1e-14


def test_order_is_lost_without_positions_and_restored_with_them() -> None:
    without, restored = check_order()
    assert without.difference < 1e-14 and restored.difference > 0.1


def test_positions_are_the_published_sinusoids() -> None:
    found = sinusoids(4, 6)
    assert found.shape == (4, 6)
    assert torch.equal(found[0], torch.tensor([0.0, 1.0] * 3, dtype=torch.float64))
    assert found[3, 2] == pytest.approx(torch.sin(torch.tensor(3 / 10_000 ** (2 / 6), dtype=torch.float64)).item())


def test_walks_are_weighted_by_their_products() -> None:
    assert check_walks(Graph.of([(0, 1), (1, 2), (2, 2)], weights=[2.0, -3.0, 0.5])).holds


def test_what_is_claimed_and_how_it_was_measured_is_what_it_was() -> None:
    found = [
        *check_all(named("path:3"), seed=3),
        check_linearity(named("star:9"), "max"),
        check_linearity(named("star:10"), "max"),
    ]
    lines = [f"{finding.claim} | {finding.meant} | {finding.detail}" for finding in found]
    same_text(__file__, "claims", "\n".join(lines) + "\n")


def test_a_claim_holds_up_to_its_limit_and_no_further() -> None:
    assert [Finding("", value).holds for value in (1e-10, 1.01e-10)] == [True, False]
    assert [Finding("", value, equal=False).holds for value in (1e-3, 0.99e-3)] == [True, False]


def test_walks_are_listed_on_graphs_of_up_to_forty_nodes_and_max_needs_two_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[int] = []
    monkeypatch.setattr(identities, "check_walks", lambda graph: listed.append(graph.n) or Finding("walks", 0.0))
    found = [check_all(named(f"path:{n}")) for n in (2, 40, 41)]
    assert listed == [2, 40] and [len(each) for each in found] == [10, 11, 10]


def test_every_position_is_the_published_one() -> None:
    for tokens, width in ((5, 7), (3, 4)):
        expected = [
            [(math.sin, math.cos)[i % 2](t / 10_000 ** (2 * (i // 2) / width)) for i in range(width)] for t in range(tokens)
        ]
        torch.testing.assert_close(sinusoids(tokens, width), torch.tensor(expected, dtype=torch.float64))
