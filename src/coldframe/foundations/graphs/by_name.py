"""Graphs by name: those of the exercise, a few more, and random ones of any size."""

from __future__ import annotations

import torch

from coldframe.errors import InputError, nearest
from coldframe.foundations.graphs.graph import Graph

# Zachary, J. Anthropological Research 33, 1977, figure 1: friendships between 34 members of a karate club; node i lists
# its friends above i, counted from 0.
_KARATE: dict[int, tuple[int, ...]] = {
    0: (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31), 1: (2, 3, 7, 13, 17, 19, 21, 30),
    2: (3, 7, 8, 9, 13, 27, 28, 32), 3: (7, 12, 13), 4: (6, 10), 5: (6, 10, 16), 6: (16,), 8: (30, 32, 33), 9: (33,),
    13: (33,), 14: (32, 33), 15: (32, 33), 18: (32, 33), 19: (33,), 20: (32, 33), 22: (32, 33),
    23: (25, 27, 29, 32, 33), 24: (25, 27, 31), 25: (31,), 26: (29, 33), 27: (33,), 28: (31, 33), 29: (32, 33),
    30: (32, 33), 31: (32, 33), 32: (33,),
}  # fmt: skip

NAMES = ("star", "wheel", "cycle", "path", "complete", "karate")
LARGEST = 1_000_000
"""Nodes of a graph by name."""
_SMALLEST = {"star": 1, "wheel": 4, "cycle": 3, "path": 1, "complete": 1}


def named(spec: str) -> Graph:
    """Return a graph by its name and number of nodes, such as ``star:7``; ``karate`` has its own 34.

    ``star`` and ``wheel`` have their hub at node 0; the rim of the wheel, the cycle and the path run 0 (or 1), 2, 3, ...

    Raises:
        InputError: no such name, or a number of nodes that such a graph cannot have.

    Example:
        >>> named("cycle:3").adjacency_lists()
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    """
    kind, _, size = spec.partition(":")
    if kind not in NAMES:
        raise InputError(f"unknown graph {kind!r}{nearest(kind, NAMES)}")
    if kind == "karate":
        if size:
            raise InputError(f"expected 'karate' alone, since it has 34 nodes, found {spec!r}")
        return Graph.of([(u, v) for u, friends in _KARATE.items() for v in friends], 34, name="karate")
    if not (size.isascii() and size.isdigit()) or len(size) > 18 or int(size) < _SMALLEST[kind]:
        raise InputError(f"expected {kind}:N with N of {_SMALLEST[kind]} or more nodes, found {spec!r}; write {kind}:7")
    n = int(size)
    if n > LARGEST:
        raise InputError(f"expected {kind}:N with N of at most {LARGEST:,} nodes, found {n:,}; choose fewer")
    if kind == "complete" and n > 5_000:
        raise InputError(f"expected a complete graph of at most 5,000 nodes (12 million edges), found {n:,}; choose fewer")
    node = torch.arange(n)
    if kind == "complete":
        edges = torch.combinations(node)
    elif kind in ("path", "cycle"):
        edges = torch.stack([node[:-1], node[1:]], dim=1)
        edges = torch.cat([edges, torch.tensor([[n - 1, 0]])]) if kind == "cycle" else edges
    else:
        edges = torch.stack([torch.zeros(n - 1, dtype=torch.int64), node[1:]], dim=1)
        if kind == "wheel":
            edges = torch.cat([edges, torch.stack([node[1:], node[1:].roll(-1)], dim=1)])
    return Graph.of(edges, n, name=spec)


def random_graph(n: int, arcs: int, *, generator: torch.Generator | None = None) -> Graph:
    """Return a directed graph whose arcs have uniformly random ends; an arc drawn twice is one arc.

    Args:
        n: N, number of nodes.
        arcs: number of draws; slightly fewer arcs remain.
        generator: source of randomness.
    """
    if n < 1 or arcs < 0:
        raise InputError(f"expected at least one node and 0 or more arcs, found n={n} and arcs={arcs}; give n=1 or more")
    pairs = torch.randint(n, (arcs, 2), generator=generator)
    return Graph.of(pairs, n, directed=True, name=f"random:{n}")
