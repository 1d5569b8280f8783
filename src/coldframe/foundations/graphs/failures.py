"""Where networks on graphs fail, measured: the MLP on [A, H] in three ways, and graph networks that are too deep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.foundations.graphs.classifier import AdjacencyMLP, LayerName, NodeClassifier, parameter_count
from coldframe.foundations.graphs.fitting import Fit, accuracy, fit
from coldframe.foundations.graphs.planetoid import Citations
from coldframe.foundations.graphs.sparse import SparseFeatures

Tell = Callable[[str], None]
SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Failures:
    """What became of both networks, accuracies on the test nodes as fractions, one a seed.

    Args:
        mlp: the MLP on [A, H], as trained.
        mlp_relabelled: after the nodes were renamed.
        mlp_part: on half of the graph, [A, H] padded with zeros to the width it was trained on.
        mlp_refusal: what it says to half of the graph without padding.
        graph: the graph network (mean convolution), as trained.
        graph_relabelled: after the same renaming.
        graph_part: on the same half of the graph.
        score_change: largest change of a class score of the graph network through renaming.
        nodes: N of the growth below.
        mlp_parameters: of the MLP whose input is a node's row of [A, H]; it grows with N.
        mlp_inputs: numbers in [A, H]; they grow with N^2, and so do the weights of an MLP on all of it at once.
        graph_parameters: of the graph network.
    """

    mlp: list[float]
    mlp_relabelled: list[float]
    mlp_part: list[float]
    mlp_refusal: str
    graph: list[float]
    graph_relabelled: list[float]
    graph_part: list[float]
    score_change: float
    nodes: list[int]
    mlp_parameters: list[int]
    mlp_inputs: list[int]
    graph_parameters: list[int]

    def lines(self) -> list[str]:
        """Return one sentence a failure."""
        return [
            f"Relabelling: when nodes are renamed, the MLP on [A, H] falls from {fmean(self.mlp):.1%} to "
            f"{fmean(self.mlp_relabelled):.1%}; the graph network goes from {fmean(self.graph):.1%} to "
            f"{fmean(self.graph_relabelled):.1%} (no score moves by more than {self.score_change:.0e}).",
            f"New sizes: on half of the graph, without training again, the graph network reaches {fmean(self.graph_part):.1%}; "
            f"the MLP refuses it, and padded with zeros reaches {fmean(self.mlp_part):.1%}.",
            f"Growth: from {self.nodes[0]:,} to {self.nodes[-1]:,} nodes the MLP on rows of [A, H] grows from "
            f"{self.mlp_parameters[0]:,} to {self.mlp_parameters[-1]:,} parameters, and [A, H] itself, the input of an MLP on "
            f"the whole graph, from {self.mlp_inputs[0]:.1e} to {self.mlp_inputs[-1]:.1e} numbers; the graph network stays at "
            f"{self.graph_parameters[-1]:,} parameters.",
        ]


def measure_failures(data: Citations, *, seeds: int = 3, epochs: int = 200, tell: Tell = lambda line: None) -> Failures:
    """Train the MLP on [A, H] and a mean convolution, then rename the nodes, take half of them, and count weights.

    Args:
        data: graph, features, labels and split.
        seeds: runs of each network; each has its own renaming and its own half.
        epochs: of training.
        tell: is told what goes on.
    """
    names = ("mlp", "mlp_relabelled", "mlp_part", "graph", "graph_relabelled", "graph_part")
    found: dict[str, list[float]] = {name: [] for name in names}
    inputs, classes, change, refusal = data.features.shape[1], data.classes, 0.0, ""
    for seed in range(seeds):
        tell(f"[A, H] against the graph network, seed {seed}")
        mlp = fit(AdjacencyMLP(data.graph.n, inputs, classes, seed=seed), data, epochs=epochs, seed=seed)
        graph = fit(NodeClassifier("mean", inputs, classes, seed=seed), data, epochs=epochs, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(data.graph.n, generator=generator)
        renamed = relabelled(data, order)
        half = part(data, torch.randperm(data.graph.n, generator=generator)[: data.graph.n // 2])
        for name, run in (("mlp", mlp), ("graph", graph)):
            found[name].append(run.test)
            found[f"{name}_relabelled"].append(accuracy(run.network, renamed, renamed.test))
        found["graph_part"].append(accuracy(graph.network, half, half.test))
        found["mlp_part"].append(accuracy(mlp.network, padded(half, data.graph.n), half.test))
        with torch.no_grad():
            moved = graph.network(renamed.graph, renamed.features)[order] - graph.network(data.graph, data.features)
        change = max(change, float(moved.abs().max()))
        try:
            mlp.network(half.graph, half.features)
        except InputError as error:
            refusal = str(error)
    return Failures(
        **found,
        mlp_refusal=refusal,
        score_change=change,
        nodes=list(SIZES),
        mlp_parameters=[parameter_count(AdjacencyMLP(n, inputs, classes)) for n in SIZES],
        mlp_inputs=[n * (n + inputs) for n in SIZES],
        graph_parameters=[parameter_count(NodeClassifier("mean", inputs, classes)) for _ in SIZES],
    )


def relabelled(data: Citations, order: Tensor) -> Citations:
    """Return the same data with node i called ``order[i]``."""
    dense, labels = torch.empty(data.features.shape), torch.empty_like(data.labels)
    dense[order], labels[order] = data.features.dense(), data.labels
    features = SparseFeatures.of(dense)
    return Citations(data.graph.relabelled(order), features, labels, order[data.train], order[data.val], order[data.test])


def part(data: Citations, nodes: Tensor) -> Citations:
    """Return the data of some nodes and the edges between them; each split keeps the nodes that are left."""
    place = torch.full((data.graph.n,), -1)
    place[nodes] = torch.arange(len(nodes))
    splits = [place[split][place[split] >= 0] for split in (data.train, data.val, data.test)]
    return Citations(data.graph.part(nodes), SparseFeatures.of(data.features.dense()[nodes]), data.labels[nodes], *splits)


def padded(data: Citations, n: int) -> Citations:
    """Return the data with isolated nodes without features added up to N = ``n``."""
    extra = n - data.graph.n
    dense = torch.cat([data.features.dense(), torch.zeros(extra, data.features.shape[1])])
    labels = torch.cat([data.labels, data.labels.new_zeros(extra)])
    return replace(data, graph=replace(data.graph, n=n), features=SparseFeatures.of(dense), labels=labels)


@dataclass(frozen=True)
class Depth:
    """Networks of one kind and depth, one number per seed.

    Args:
        layer: kind of layer.
        depth: number of layers.
        test: accuracy on the test nodes.
        spread: mean cosine distance between what enters the last layer at two random nodes; 0 when all nodes look alike.
    """

    layer: str
    depth: int
    test: list[float]
    spread: list[float]


def measure_smoothing(
    data: Citations,
    layers: Sequence[LayerName] = ("gcn", "mean"),
    depths: Sequence[int] = (2, 4, 8, 16),
    *,
    seeds: int = 3,
    epochs: int = 200,
    tell: Tell = lambda line: None,
) -> list[Depth]:
    """Train networks of growing depth: each layer averages neighbours, and in the end all nodes look alike.

    Source: Li, Han and Wu 2018, Deeper Insights into Graph Convolutional Networks for Semi-Supervised Learning, section 3.2.
    """
    found = []
    for layer in layers:
        for depth in depths:
            tell(f"over-smoothing: {layer}, {depth} layers")
            runs = []
            for seed in range(seeds):
                network = NodeClassifier(layer, data.features.shape[1], data.classes, depth=depth, seed=seed)
                runs.append(fit(network, data, epochs=epochs, seed=seed))
            found.append(Depth(layer, depth, [run.test for run in runs], [_spread(run, data) for run in runs]))
    return found


def _spread(run: Fit, data: Citations) -> float:
    generator = torch.Generator().manual_seed(0)
    network: Any = run.network
    with torch.no_grad():
        h = network.embed(data.graph, data.features)
        h = h.dense() if isinstance(h, SparseFeatures) else h
        a, b = torch.randint(data.graph.n, (2, 5_000), generator=generator)
        alive = (h[a].norm(dim=1) > 0) | (h[b].norm(dim=1) > 0)
        distance = 1 - torch.nn.functional.cosine_similarity(h[a].double(), h[b].double(), dim=1)
    # Two nodes whose embedding is all zeros look alike; a cosine of 0 would call them far apart.
    return float((distance * alive).mean())
