"""Walks: the powers of A count them, and for small graphs they are listed one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.foundations.graphs.graph import Graph
from coldframe.machine.room import check_fits


def power(graph: Graph, length: int) -> Tensor:
    """Return A^n [N, N]. Entry (u, v) is the number of walks of length n from u to v; with weights, the sum over these
    walks of the product of their weights. Walks may visit a node or an edge again, which paths may not.

    Args:
        graph: N nodes.
        length: n, number of steps; A^0 is the identity.

    Raises:
        InputError: a negative length, or counts past 2^63, where whole numbers would wrap.

    Example:
        >>> power(Graph.of([(0, 1), (1, 2)]), 2).tolist()
        [[1, 0, 1], [0, 2, 0], [1, 0, 1]]
    """
    if length < 0:
        raise InputError(f"expected walks of 0 or more steps, found {length}; give a length of 0 or more")
    # A, the product and the next one, in whole numbers and in float64.
    check_fits("a number of nodes", graph.n, lambda n: 6 * 8 * n * n, of="for powers of a dense matrix")
    A = graph.adjacency()
    result = torch.eye(graph.n, dtype=A.dtype)
    if A.dtype != torch.int64:
        for _ in range(length):
            result = result @ A
        return result
    ceiling, B = torch.eye(graph.n, dtype=torch.float64), A.to(torch.float64)
    for _ in range(length):
        ceiling = ceiling @ B
        largest = float(ceiling.max())
        if largest >= 2.0**62:
            raise InputError(
                f"expected walk counts that fit 64-bit numbers, found more at length {length}; choose a shorter length"
            )
        # Up to 2^53 sums of whole numbers are exact in float64, whose products are a hundred times as fast.
        result = ceiling.to(torch.int64) if largest < 2.0**53 else result @ A
    return result


def count_walks(graph: Graph, length: int, start: int, end: int) -> float:
    """Return (A^n)_uv for one pair by n products of a vector with the sparse A: no N x N matrix, so any size of graph."""
    _check_ends(graph, length, start, end)
    reached = torch.zeros(graph.n, dtype=torch.float64)
    reached[start] = 1
    weights = graph.arc_weights(torch.float64)
    for _ in range(length):
        reached = torch.zeros_like(reached).index_add(0, graph.arcs[1], reached[graph.arcs[0]] * weights)
    total = float(reached[end])
    return int(total) if graph.weights is None and total < 2**53 else total


def walks(graph: Graph, length: int, start: int, end: int, most: int = 10_000) -> list[tuple[int, ...]]:
    """Return the walks of n steps from one node to another, each as its n + 1 nodes, in lexicographic order.

    Args:
        graph: a small graph.
        length: n.
        start: first node.
        end: last node.
        most: refuse to list more than this.

    Raises:
        InputError: a node is not in the graph, or there are more than ``most`` walks.
    """
    _check_ends(graph, length, start, end)
    following: dict[int, list[int]] = {v: [] for v in range(graph.n)}
    for u, v in sorted(graph.arcs.T.tolist()):
        following[u].append(v)
    # near[k] are the nodes from which `end` is k steps away: only they are entered, so no work is wasted.
    near = [{end}]
    for _ in range(length):
        near.append({u for u, ends in following.items() if near[-1].intersection(ends)})

    found: list[tuple[int, ...]] = []
    walk = [start]
    ahead: list[Iterator[int]] = [iter(following[start])] if start in near[length] else []
    if ahead and length == 0:
        return [(start,)]
    while ahead:
        after = next((v for v in ahead[-1] if v in near[length - len(walk)]), None)
        if after is None:
            ahead.pop()
            walk.pop()
        elif len(walk) < length:
            walk.append(after)
            ahead.append(iter(following[after]))
        elif len(found) == most:
            raise InputError(f"expected at most {most:,} walks to list, found more; choose a shorter length or count them")
        else:
            found.append((*walk, after))
    return found


def _check_ends(graph: Graph, length: int, start: int, end: int) -> None:
    if length < 0:
        raise InputError(f"expected walks of 0 or more steps, found {length}; give a length of 0 or more")
    for node in (start, end):
        if not 0 <= node < graph.n:
            raise InputError(f"expected a node from 0 to {graph.n - 1}, found {node}; choose one of the graph's nodes")
