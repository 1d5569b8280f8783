"""Graphs: nodes 0 to N - 1, arcs u -> v with or without weights, and the matrices of the course.

What the words mean here, everywhere:

- A_uv is the weight of the arc from u to v: 1 where the graph has no weights, 0 where there is no arc.
- An undirected edge is two arcs, u -> v and v -> u, so A is symmetric; a self loop is one arc and A_uu its weight.
- N(v), the neighbours of v, are the nodes with an arc *into* v: messages travel along the arcs. D_vv is the sum of the
  weights of those arcs, which is \\|N(v)\\| without weights. In an undirected graph this is the course's definition.
- A node without neighbours is isolated: its degree is 0 and whatever it gathers is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.foundations.graphs.sparse import Rows

DENSE_LIMIT = 20_000
"""Largest N whose N x N matrix is made: 3.2 GB of int64."""


@dataclass(frozen=True, eq=False)
class Graph:
    """N nodes and M arcs. Make one with :meth:`of`, a name (:func:`named`) or a reader; the fields are then in order.

    Args:
        n: N, number of nodes.
        arcs: sources (row 0) and targets (row 1), int64 [2, M], sorted by target, then source, each arc once.
        weights: one number per arc [M], or None when every arc counts 1.
        directed: whether an arc may lack its reverse.
        name: what tables and figures call it.
    """

    n: int
    arcs: Tensor
    weights: Tensor | None = None
    directed: bool = False
    name: str = "graph"

    @classmethod
    def of(
        cls, edges: Any, n: int | None = None, *, weights: Any = None, directed: bool = False, name: str = "graph"
    ) -> Graph:
        """Make a graph from a list of edges.

        Args:
            edges: pairs (u, v) [E, 2]: lists, a NumPy array or a tensor. An edge listed twice is one edge.
            n: N; one more than the largest node when None.
            weights: one finite number other than 0 for each edge [E]; None makes every edge 1.
            directed: whether (u, v) is the arc u -> v alone.
            name: what tables and figures call it.

        Raises:
            InputError: no nodes, an edge to a node that does not exist, or weights that cannot be used.

        Example:
            >>> Graph.of([(0, 1), (1, 2)]).adjacency_lists()
            [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
        """
        pairs = _pairs(edges)
        largest = int(pairs.max()) if len(pairs) else -1
        n = largest + 1 if n is None else n
        if n < 1:
            raise InputError("expected a graph with at least one node, found an empty one; list an edge or give n")
        wrong = ((pairs < 0) | (pairs >= n)).any(dim=1).nonzero()
        if len(wrong):
            u, v = pairs[wrong[0, 0]].tolist()
            raise InputError(
                f"edge {int(wrong[0, 0])} joins nodes {u} and {v}, but the graph has nodes 0 to {n - 1}; "
                "mend the edge or give a larger n"
            )
        values = _weights(weights, len(pairs))
        if not directed:
            other = pairs[:, 0] != pairs[:, 1]
            pairs = torch.cat([pairs, pairs[other].flip(1)])
            values = None if values is None else torch.cat([values, values[other]])
        return cls(n, *_in_order(pairs, values, n), directed=directed, name=name)

    def __repr__(self) -> str:
        kind = "directed" if self.directed else "undirected"
        return f"<{self.name}: {self.n} nodes, {self.edge_count} edges, {kind}>"

    @property
    def edge_count(self) -> int:
        """Number of edges as a person counts them: arcs, or pairs of arcs and self loops when undirected."""
        arcs = self.arcs.shape[1]
        return arcs if self.directed else (arcs + int((self.arcs[0] == self.arcs[1]).sum())) // 2

    @cached_property
    def rows(self) -> Rows:
        """The arcs as compressed rows, one row a target, with the transpose: what fast layers work on."""
        return Rows.of(self.arcs[1], self.arcs[0], self.n, self.n)

    def arc_weights(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return one number per arc [M]; ones where the graph has no weights."""
        if self.weights is None:
            return torch.ones(self.arcs.shape[1], dtype=dtype, device=self.arcs.device)
        return self.weights.to(dtype)

    def adjacency(self, dtype: torch.dtype | None = None) -> Tensor:
        """Return A [N, N], int64 without weights and float64 with them unless ``dtype`` is given.

        Raises:
            InputError: N is so large that the matrix would not fit; use :meth:`sparse_adjacency`.
        """
        if self.n > DENSE_LIMIT:
            raise InputError(
                f"expected at most {DENSE_LIMIT:,} nodes for a dense matrix, found {self.n:,}; use sparse_adjacency()"
            )
        kind = dtype or (torch.int64 if self.weights is None else torch.float64)
        matrix = torch.zeros(self.n, self.n, dtype=kind, device=self.arcs.device)
        matrix[self.arcs[0], self.arcs[1]] = self.arc_weights(kind)
        return matrix

    def sparse_adjacency(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return A as a sparse COO tensor [N, N]."""
        pairs = torch.sparse_coo_tensor(self.arcs, self.arc_weights(dtype), (self.n, self.n), check_invariants=True)
        return pairs.coalesce()

    def adjacency_lists(self) -> list[list[float]]:
        """Return A as a list of rows, in Python's own numbers."""
        rows: list[list[float]] = self.adjacency().tolist()
        return rows

    def degrees(self, dtype: torch.dtype | None = None) -> Tensor:
        """Return D_vv, the summed weights of the arcs into v [N]."""
        kind = dtype or (torch.int64 if self.weights is None else torch.float64)
        zeros = torch.zeros(self.n, dtype=kind, device=self.arcs.device)
        return zeros.index_add(0, self.arcs[1], self.arc_weights(kind))

    def degree_matrix(self) -> Tensor:
        """Return D, diagonal [N, N]."""
        if self.n > DENSE_LIMIT:
            raise InputError(f"expected at most {DENSE_LIMIT:,} nodes for a dense matrix, found {self.n:,}; use degrees()")
        return torch.diag(self.degrees())

    def relabelled(self, order: Tensor) -> Graph:
        """Return the same graph with node i called ``order[i]``: A' = P A P^T.

        Args:
            order: a permutation of 0 to N - 1, int64 [N].
        """
        if order.shape != (self.n,) or not torch.equal(order.sort().values, torch.arange(self.n, device=order.device)):
            raise InputError(f"expected a permutation of 0 to {self.n - 1}, found something else; use torch.randperm({self.n})")
        return replace(self, **_named(_in_order(order[self.arcs].T, self.weights, self.n)))

    def with_self_loops(self) -> Graph:
        """Return the graph with an arc v -> v of weight 1 at every node that had none: A + I."""
        looped = self.arcs[0, self.arcs[0] == self.arcs[1]]
        without = torch.ones(self.n, dtype=torch.bool, device=self.arcs.device)
        without[looped] = False
        nodes = without.nonzero()[:, 0]
        pairs = torch.cat([self.arcs.T, torch.stack([nodes, nodes], dim=1)])
        values = None if self.weights is None else torch.cat([self.weights, self.weights.new_ones(len(nodes))])
        return replace(self, **_named(_in_order(pairs, values, self.n)))

    def part(self, nodes: Tensor) -> Graph:
        """Return the graph of some nodes and the arcs between them; node ``nodes[i]`` becomes i."""
        place = torch.full((self.n,), -1, dtype=torch.int64, device=self.arcs.device)
        place[nodes] = torch.arange(len(nodes), device=self.arcs.device)
        inside = (place[self.arcs] >= 0).all(dim=0)
        values = None if self.weights is None else self.weights[inside]
        arcs, values = _in_order(place[self.arcs[:, inside]].T, values, len(nodes))
        return replace(self, n=len(nodes), arcs=arcs, weights=values)

    def to(self, device: torch.device | str) -> Graph:
        """Return the graph on another device."""
        return replace(self, arcs=self.arcs.to(device), weights=None if self.weights is None else self.weights.to(device))


def _pairs(edges: Any) -> Tensor:
    """Return int64 [E, 2]."""
    try:
        pairs = torch.as_tensor(edges)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError("expected pairs of whole numbers, found something else; give a list such as [(0, 1)]") from error
    if pairs.numel() == 0:
        return torch.zeros(0, 2, dtype=torch.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.is_floating_point() or pairs.dtype == torch.bool:
        raise InputError(
            f"expected edges as pairs of whole numbers [E, 2], found {str(pairs.dtype).removeprefix('torch.')} "
            f"{list(pairs.shape)}; an edge_index [2, E] is transposed first"
        )
    return pairs.to(torch.int64)


def _weights(weights: Any, count: int) -> Tensor | None:
    """Return float weights [E], or None."""
    if weights is None:
        return None
    values: Sequence[float] | Tensor = weights
    numbers = torch.as_tensor(values)
    numbers = numbers if numbers.is_floating_point() else numbers.to(torch.float64)
    if numbers.shape != (count,):
        raise InputError(f"expected one weight for each of {count} edges, found shape {list(numbers.shape)}; give as many")
    wrong = (~numbers.isfinite() | (numbers == 0)).nonzero()
    if len(wrong):
        at = int(wrong[0, 0])
        raise InputError(f"expected finite weights other than 0, found {float(numbers[at])} at edge {at}; leave that edge out")
    return numbers


def _in_order(pairs: Tensor, weights: Tensor | None, n: int) -> tuple[Tensor, Tensor | None]:
    """Sort arcs by target, then source, and keep each once; refuse two weights for one arc."""
    keys, order = (pairs[:, 1] * n + pairs[:, 0]).sort(stable=True)
    again = torch.zeros(len(keys), dtype=torch.bool, device=keys.device)
    again[1:] = keys[1:] == keys[:-1]
    if weights is not None:
        weights = weights[order]
        clash = again.clone()
        clash[1:] &= weights[1:] != weights[:-1]
        if clash.any():
            at = int(clash.nonzero()[0, 0])
            v, u = divmod(int(keys[at]), n)
            raise InputError(
                f"edge {u}-{v} is listed with the weights {float(weights[at - 1]):g} and {float(weights[at]):g}; "
                "give it once, or make the graph directed"
            )
        weights = weights[~again]
    keys = keys[~again]
    return torch.stack([keys % n, keys // n]), weights


def _named(parts: tuple[Tensor, Tensor | None]) -> dict[str, Any]:
    return {"arcs": parts[0], "weights": parts[1]}
