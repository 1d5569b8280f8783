"""The graph convolution of the course in three forms, and the GCN of Kipf and Welling beside it.

    h'_v = sigma(W sum over u in N(v) of h_u / |N(v)| + B h_v)                      node by node
    H'   = sigma(D^-1 A^T H W^T + H B^T)                                            as matrices

For an undirected graph A^T = A, which is the course's formula; a directed one gathers along its arcs. With weights, the mean is
sum a_uv h_u / sum a_uv. D^-1 is 0 at an isolated node, so that it keeps sigma(B h_v).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.errors import InputError, nearest
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.messages import check_features, check_positive
from coldframe.foundations.graphs.sparse import Features, SparseFeatures, project, sum_and_self, weighted_sum
from coldframe.values import COUNT

Activation = Callable[[Tensor], Tensor]
Form = Literal["node", "matrix", "sparse"]


def convolve_nodes(graph: Graph, features: Tensor, W: Tensor, B: Tensor) -> Tensor:
    """Return W mean + B h node by node, as equation 2 of the exercise reads: slow, and meant to be read.

    Args:
        graph: N nodes.
        features: H [N, D].
        W: for the neighbours [E, D].
        B: for the node itself [E, D].

    Returns:
        The sum before the nonlinearity [N, E].
    """
    sources, targets = graph.arcs.tolist()
    weights = graph.arc_weights(features.dtype)
    neighbours: list[list[tuple[int, Tensor]]] = [[] for _ in range(graph.n)]
    for arc, (u, v) in enumerate(zip(sources, targets, strict=True)):
        neighbours[v].append((u, weights[arc]))
    outputs = []
    for v in range(graph.n):
        mean = torch.zeros_like(features[v])  # [D]
        for u, weight in neighbours[v]:
            mean = mean + weight * features[u]
        if neighbours[v]:
            mean = mean / sum(weight for _, weight in neighbours[v])
        outputs.append(W @ mean + B @ features[v])  # [E]
    return torch.stack(outputs)


def convolve_matrix(graph: Graph, features: Tensor, W: Tensor, B: Tensor) -> Tensor:
    """Return D^-1 A^T H W^T + H B^T with dense matrices; arguments and result as in :func:`convolve_nodes`."""
    degrees = graph.degrees(features.dtype)
    inverse = torch.where(degrees > 0, 1 / degrees, 0)
    mean = torch.diag(inverse) @ graph.adjacency(features.dtype).T @ features  # [N, D]
    return mean @ W.T + features @ B.T


def mean_weights(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Return a_uv / D_vv for each arc u -> v [M]: the entries of D^-1 A^T."""
    check_positive(graph)
    return graph.arc_weights(dtype) / graph.degrees(dtype)[graph.arcs[1]]


def gcn_weights(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Return a_uv / sqrt(D_uu D_vv) for each arc u -> v [M]; the graph already has its self loops."""
    check_positive(graph)
    scale = graph.degrees(dtype).clamp(min=torch.finfo(dtype).tiny).rsqrt()
    return scale[graph.arcs[0]] * graph.arc_weights(dtype) * scale[graph.arcs[1]]


def convolve_sparse(
    graph: Graph, features: Features, W: Tensor, B: Tensor, weights: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Return the same as :func:`convolve_nodes`, plus a bias, by compressed rows: no buffer of arcs by features.

    The mean is linear, so W is applied before it where that makes the gathered rows narrower.

    Args:
        graph: N nodes.
        features: H, dense or sparse [N, D].
        W: for the neighbours [E, D].
        B: for the node itself [E, D].
        weights: :func:`mean_weights`, where a caller keeps them.
        bias: b [E].
    """
    values = mean_weights(graph, W.dtype) if weights is None else weights
    if isinstance(features, Tensor) and W.shape[0] <= W.shape[1]:
        return sum_and_self(graph.rows, values, features, W, B, bias)
    if isinstance(features, SparseFeatures):
        gathered = weighted_sum(graph.rows, values, project(features, W))  # [N, E]
    else:
        gathered = weighted_sum(graph.rows, values, features) @ W.T
    result = gathered + project(features, B)
    return result if bias is None else result.add_(bias)


class _Kept:
    """The weights of the last graph seen: a network meets the same graph in every step."""

    def __init__(self, compute: Callable[[Graph, torch.dtype], tuple[Graph, Tensor]]) -> None:
        self._compute = compute
        self._graph: Graph | None = None
        self._value: tuple[Graph, Tensor] | None = None

    def __call__(self, graph: Graph, dtype: torch.dtype) -> tuple[Graph, Tensor]:
        if self._value is None or self._graph is not graph or self._value[1].dtype != dtype:
            # Weights made under inference mode could never be trained with afterwards.
            with torch.inference_mode(False):
                self._graph, self._value = graph, self._compute(graph, dtype)
        return self._value


def new_matrix(rows: int, columns: int, generator: torch.Generator | None) -> nn.Parameter:
    """Return a trainable matrix [rows, columns], uniform in +-sqrt(6 / (rows + columns)).

    Source: Glorot and Bengio 2010, equation 16.
    """
    rows, columns = COUNT.check("outputs", rows), COUNT.check("inputs", columns)
    bound = (6 / (rows + columns)) ** 0.5
    return nn.Parameter((torch.rand(rows, columns, generator=generator) * 2 - 1) * bound)


class MeanConv(nn.Module):
    """The course's convolution, sigma(W mean of neighbours + B h + b).

    Equal to PyTorch Geometric's ``SAGEConv(aggr="mean", root_weight=True)`` with ``lin_l = (W, b)`` and ``lin_r = B``.

    Args:
        inputs: D.
        outputs: E.
        bias: whether there is a b [E]; the exercise has none.
        activation: sigma; None leaves the sum as it is.
        form: ``node``, ``matrix`` or ``sparse``: the same numbers, made to be read, to be checked, or to be fast.
        generator: source of the initial weights.

    Example:
        >>> layer = MeanConv(2, 3)
        >>> layer(Graph.of([(0, 1), (1, 2)]), torch.ones(3, 2)).shape
        torch.Size([3, 3])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = False,
        activation: Activation | None = None,
        form: Form = "sparse",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise InputError(f"unknown form {form!r}{nearest(form, get_args(Form))}")
        self.W = new_matrix(outputs, inputs, generator)
        self.B = new_matrix(outputs, inputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.activation, self.form = activation, form
        self._weights = _Kept(lambda graph, dtype: (graph, mean_weights(graph, dtype)))

    def forward(self, graph: Graph, features: Features) -> Tensor:
        """Return H' [N, E] from H [N, D]."""
        check_features(graph, features, self.W.shape[1])
        if self.form == "sparse":
            result = convolve_sparse(graph, features, self.W, self.B, self._weights(graph, self.W.dtype)[1], self.bias)
        else:
            check_positive(graph)
            dense = features.dense() if isinstance(features, SparseFeatures) else features
            form = convolve_nodes if self.form == "node" else convolve_matrix
            result = form(graph, dense, self.W, self.B)
            result = result if self.bias is None else result.add_(self.bias)
        return result if self.activation is None else self.activation(result)


class GCNConv(nn.Module):
    """H' = sigma(D~^-1/2 A~^T D~^-1/2 H W^T + b) with A~ = A + I.

    A self loop that is there already stays as it is. Equal to PyTorch Geometric's ``GCNConv``.

    Args:
        inputs: D.
        outputs: E.
        bias: whether there is a b [E].
        activation: sigma; None leaves the sum as it is.
        generator: source of the initial weights.

    Source: Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, equation 2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        activation: Activation | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.W = new_matrix(outputs, inputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.activation = activation
        self._looped = _Kept(_with_gcn_weights)

    def forward(self, graph: Graph, features: Features) -> Tensor:
        """Return H' [N, E] from H [N, D]."""
        check_features(graph, features, self.W.shape[1])
        looped, values = self._looped(graph, self.W.dtype)
        if isinstance(features, SparseFeatures) or self.W.shape[0] < self.W.shape[1]:
            result = weighted_sum(looped.rows, values, project(features, self.W))
        else:
            result = weighted_sum(looped.rows, values, features) @ self.W.T
        result = result if self.bias is None else result + self.bias
        return result if self.activation is None else self.activation(result)


def _with_gcn_weights(graph: Graph, dtype: torch.dtype) -> tuple[Graph, Tensor]:
    looped = graph.with_self_loops()
    return looped, gcn_weights(looped, dtype)
