"""Networks that name the class of each node: stacked graph layers, and the MLP on [A, H] that a graph network replaces."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.errors import InputError, nearest
from coldframe.foundations.graphs.attention import Dropout, GraphAttention
from coldframe.foundations.graphs.convolution import GCNConv, MeanConv, new_matrix
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.messages import check_features
from coldframe.foundations.graphs.sparse import Features, Rows, SparseFeatures, project
from coldframe.values import COUNT, DEPTH, SEED, WIDTH

LayerName = Literal["mean", "gcn", "gat", "mlp"]
LABELS = {"mean": "mean convolution", "gcn": "GCN", "gat": "GAT", "mlp": "MLP without the graph"}


class NoGraph(nn.Module):
    """H' = H W^T + b: a layer that is given the graph and does not look at it."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.W = new_matrix(outputs, inputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, graph: Graph, features: Features) -> Tensor:
        """Return H' [N, E] from H [N, D]."""
        check_features(graph, features, self.W.shape[1])
        return project(features, self.W) + self.bias


class NodeClassifier(nn.Module):
    """Layers of one kind with dropout before each; ReLU (GAT: ELU) between them, class scores at the end.

    Args:
        layer: ``mean``, ``gcn``, ``gat``, or ``mlp``, which does not look at the graph.
        inputs: D.
        classes: K.
        hidden: width of the layers between; for ``gat`` that of all heads together.
        depth: number of layers.
        dropout: share of each layer's inputs (``gat``: of its alphas as well) set to 0 in training.
        heads: of ``gat``; its last layer has one.
        seed: of the initial weights and of the dropout.
    """

    def __init__(
        self,
        layer: LayerName,
        inputs: int,
        classes: int,
        *,
        hidden: int = 16,
        depth: int = 2,
        dropout: float = 0.5,
        heads: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if layer not in get_args(LayerName):
            raise InputError(f"unknown layer {layer!r}{nearest(layer, get_args(LayerName))}")
        hidden, depth, heads = WIDTH.check("hidden", hidden), DEPTH.check("depth", depth), WIDTH.check("heads", heads)
        seed = SEED.check("seed", seed)
        if layer == "gat" and hidden % heads:
            raise InputError(f"expected a hidden width that is a multiple of {heads} heads, found {hidden}; choose 64")
        generator = torch.Generator().manual_seed(seed)
        self.name = layer
        self.dropout = Dropout(dropout, generator)
        widths = [inputs, *[hidden] * (depth - 1), classes]
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            if layer == "mean":
                layers.append(MeanConv(before, after, bias=True, generator=generator))
            elif layer == "gcn":
                layers.append(GCNConv(before, after, generator=generator))
            elif layer == "mlp":
                layers.append(NoGraph(before, after, generator))
            else:
                last = index == depth - 1
                k = 1 if last else heads
                layers.append(GraphAttention(before, after // k, heads=k, dropout=dropout, generator=generator))
        self.layers = nn.ModuleList(layers)

    def forward(self, graph: Graph, features: Features) -> Tensor:
        """Return class scores [N, K] from H [N, D]."""
        return self.layers[-1](graph, self._drop(self.embed(graph, features)))  # type: ignore[no-any-return]

    def embed(self, graph: Graph, features: Features) -> Features:
        """Return what enters the last layer [N, hidden]: the learned embedding (with one layer, H itself)."""
        for layer in list(self.layers)[:-1]:
            output = layer(graph, self._drop(features))
            features = torch.nn.functional.elu(output) if self.name == "gat" else torch.relu(output)
        return features

    def _drop(self, features: Features) -> Features:
        if isinstance(features, SparseFeatures):
            # Dropping a 0 changes nothing, so only the stored values are drawn for: the same distribution, far fewer draws.
            return SparseFeatures(features.rows, self.dropout(features.values))
        return self.dropout(features)  # type: ignore[no-any-return]


class AdjacencyMLP(nn.Module):
    """The MLP of question 3.4: the row [A_v, h_v] of each node through two linear layers, scores = W_2 relu(W_1 [A_v, h_v]).

    Its first layer has hidden x (N + D) weights: one for each node of the one graph it was made for.

    Args:
        nodes: N.
        inputs: D.
        classes: K.
        hidden: width of the hidden layer.
        dropout: share of each layer's inputs set to 0 in training.
        seed: of the initial weights and of the dropout.
    """

    def __init__(self, nodes: int, inputs: int, classes: int, *, hidden: int = 16, dropout: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        nodes, hidden = COUNT.check("nodes", nodes), WIDTH.check("hidden", hidden)
        generator = torch.Generator().manual_seed(SEED.check("seed", seed))
        self.nodes = nodes
        self.dropout = Dropout(dropout, generator)
        self.first = NoGraph(nodes + inputs, hidden, generator)
        self.last = NoGraph(hidden, classes, generator)
        self._seen: tuple[Graph, SparseFeatures, SparseFeatures] | None = None

    def forward(self, graph: Graph, features: SparseFeatures) -> Tensor:
        """Return class scores [N, K].

        Raises:
            InputError: the graph has another number of nodes than the one the network was made for.
        """
        if graph.n != self.nodes:
            raise InputError(f"expected a graph of {self.nodes} nodes, as in training, found {graph.n}; train it anew")
        if self._seen is None or self._seen[0] is not graph or self._seen[1] is not features:
            # What is made under inference mode could never be trained with afterwards.
            with torch.inference_mode(False):
                self._seen = (graph, features, with_adjacency(graph, features))
        both = self._seen[2]
        hidden = torch.relu(self.first(graph, SparseFeatures(both.rows, self.dropout(both.values))))
        return self.last(graph, self.dropout(hidden))  # type: ignore[no-any-return]


def with_adjacency(graph: Graph, features: SparseFeatures) -> SparseFeatures:
    """Return [A, H] [N, N + D]."""
    rows = torch.cat([graph.arcs[0], features.rows.entry_rows])
    columns = torch.cat([graph.arcs[1], features.rows.columns.long() + graph.n])
    values = torch.cat([graph.arc_weights(features.dtype), features.values])
    width = graph.n + features.shape[1]
    order = (rows * width + columns).argsort()
    return SparseFeatures(Rows.of(rows[order], columns[order], graph.n, width), values[order])


def parameter_count(shapes: Mapping[str, Tensor] | nn.Module) -> int:
    """Return how many numbers a network learns."""
    values = shapes.parameters() if isinstance(shapes, nn.Module) else shapes.values()
    return sum(value.numel() for value in values)
