"""Graphs from elsewhere: edge-list files, networkx and PyTorch Geometric."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch

from coldframe import files
from coldframe.errors import DataError, InputError
from coldframe.foundations.graphs.by_name import NAMES, named
from coldframe.foundations.graphs.graph import Graph

_SEPARATOR = re.compile(r"[,;\s]+")


def read_edges(path: str | Path, n: int | None = None, *, directed: bool = False) -> Graph:
    """Read an edge list: one edge a line, ``u,v`` or ``u,v,weight``, separated by commas, semicolons or blanks.

    Lines that are empty or start with ``#`` are skipped, and so is a first line of column names.

    Args:
        path: a text file.
        n: N; one more than the largest node when None.
        directed: whether a line is an arc.

    Raises:
        FileError: the file cannot be read.
        DataError: a line is not an edge; it is named by its number.
    """
    path = Path(path)
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    first = True
    for number, raw in enumerate(files.read_text(path).splitlines(), start=1):
        line = raw.strip().lstrip("\ufeff")
        if not line or line.startswith("#"):
            continue
        parts = [part for part in _SEPARATOR.split(line) if part]
        header, first = first and not any(_is_number(part) for part in parts), False
        if header:
            continue
        try:
            u, v, *rest = parts
            pairs.append((int(u), int(v)))
            if len(rest) > 1 or (rest and len(weights) != len(pairs) - 1) or (weights and not rest):
                raise ValueError
            weights.extend(float(value) for value in rest)
        except ValueError:
            raise DataError(
                f"{path}, line {number}: expected 'u,v' or 'u,v,weight' with whole numbers u and v, the same on every line, "
                f"found {line[:60]!r}; mend that line"
            ) from None
    if pairs and max(max(pair) for pair in pairs) >= 2**31:
        raise DataError(f"{path}: expected nodes numbered from 0, found {max(max(pair) for pair in pairs)}; number them first")
    return Graph.of(pairs, n, weights=weights or None, directed=directed, name=path.stem)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def from_networkx(graph: Any, weight: str | None = None) -> Graph:
    """Return a networkx graph; nodes are numbered in its order.

    Args:
        graph: a ``Graph`` or ``DiGraph``.
        weight: the edge attribute that holds the weights; None ignores them.
    """
    if graph.is_multigraph():
        raise InputError("expected a networkx Graph or DiGraph, found a multigraph; merge its parallel edges first")
    place = {node: index for index, node in enumerate(graph)}
    found = list(graph.edges(data=weight, default=None) if weight else graph.edges(data=False))
    pairs = [(place[edge[0]], place[edge[1]]) for edge in found]
    if weight and any(edge[2] is None for edge in found):
        raise InputError(
            f"expected the attribute {weight!r} on every edge, found an edge without it; add it or give weight=None"
        )
    weights = [float(edge[2]) for edge in found] if weight else None
    return Graph.of(pairs, len(place), weights=weights, directed=graph.is_directed(), name=str(graph.name or "networkx"))


def from_pyg(data: Any) -> Graph:
    """Return the graph of a PyTorch Geometric ``Data``: ``edge_index`` and, where there is one, a flat ``edge_weight``.

    It counts as undirected when every arc has its reverse with the same weight.
    """
    weights = getattr(data, "edge_weight", None)
    graph = Graph.of(data.edge_index.T, data.num_nodes, weights=weights, directed=True, name="pyg")
    reverse = Graph.of(data.edge_index.flip(0).T, data.num_nodes, weights=weights, directed=True)
    same = torch.equal(graph.arcs, reverse.arcs)
    if weights is not None:
        same = same and torch.equal(graph.arc_weights(), reverse.arc_weights())
    return Graph(graph.n, graph.arcs, graph.weights, directed=not same, name="pyg")


def open_graph(spec: str, *, directed: bool = False) -> Graph:
    """Return the graph a user means: a name such as ``wheel:7``, or the path of an edge list.

    Raises:
        InputError: neither a name nor a file.
    """
    if spec.partition(":")[0] in NAMES and not Path(spec).is_file():
        if directed:
            raise InputError(f"expected an edge-list file with --directed, found the undirected graph {spec!r}; leave it out")
        return named(spec)
    if not Path(spec).is_file() and (("." not in spec and "/" not in spec) or ":" in spec):
        return named(spec)
    return read_edges(spec, directed=directed)
