"""Pictures: graphs, training curves, embeddings, depth, and what an MLP on [A, H] does."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from coldframe.foundations.graphs.classifier import LABELS
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.sparse import SparseFeatures
from coldframe.report.figures.style import FAINT, INK, PALETTE, SOFT, log_scale, new_figure, style

if TYPE_CHECKING:
    from coldframe.foundations.graphs.failures import Depth, Failures
    from coldframe.foundations.graphs.fitting import Fit
    from coldframe.foundations.graphs.planetoid import Citations

CORA_CLASSES = (
    "theory", "reinforcement learning", "genetic algorithms", "neural networks", "probabilistic methods", "case based",
    "rule learning",
)  # fmt: skip
"""The subjects in the order of Planetoid's labels, known by how many papers each has."""


BEND = 0.12
"""How far the arcs of a directed graph bow out, so that u -> v and v -> u stand apart."""


def layout(graph: Graph, *, rounds: int = 200, seed: int = 0) -> NDArray[np.float64]:
    """Return places to draw the nodes at [N, 2]: stars, wheels, cycles and complete graphs as circles, others by springs.

    Springs: every two nodes push each other apart by 1 / distance, neighbours pull by distance^2, steps shrink to 0.
    Source: Fruchterman and Reingold 1991, Graph Drawing by Force-Directed Placement.
    """
    n, kind = graph.n, graph.name.partition(":")[0]
    if kind in ("star", "wheel", "cycle", "complete") and n > 1:
        rim = n - 1 if kind in ("star", "wheel") else n
        angle = math.pi / 2 - 2 * math.pi * np.arange(rim) / rim
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.concatenate([np.zeros((n - rim, 2)), ring])
    if kind == "path":
        return np.stack([np.arange(n, dtype=np.float64), np.zeros(n)], axis=1)
    places = np.random.default_rng(seed).normal(size=(n, 2))
    linked = (graph.adjacency(torch.float64) != 0).numpy()
    linked |= linked.T
    wish = math.sqrt(4 / n)
    for step in range(rounds):
        gap = places[:, None] - places[None]  # [N, N, 2]
        distance = np.maximum(np.sqrt((gap**2).sum(-1)), 1e-3)
        force = wish**2 / distance**2 - linked * distance / wish
        np.fill_diagonal(force, 0)
        move = (gap * force[..., None]).sum(1)
        length = np.maximum(np.sqrt((move**2).sum(-1, keepdims=True)), 1e-9)
        places += move / length * np.minimum(length, 0.3 * (1 - step / rounds))
    return spread_out(places - places.mean(0))


def spread_out(places: NDArray[np.float64], *, share: float = 0.075, rounds: int = 100) -> NDArray[np.float64]:
    """Return places [N, 2] at which no two nodes lie nearer than a share of the drawing's width, as far as there is room."""
    places = places.copy()
    least = min(share, 0.7 / math.sqrt(max(1, len(places)))) * float(np.ptp(places, axis=0).max() or 1.0)
    for _ in range(rounds):
        gap = places[:, None] - places[None]  # [N, N, 2]
        distance = np.sqrt((gap**2).sum(-1)) + np.eye(len(places)) * 10 * least
        near = np.maximum(0, least - distance)
        if not near.any():
            break
        # Each of the two goes half of what is missing; those in one place part along an angle of their own.
        turn = np.subtract.outer(np.arange(len(places)), np.arange(len(places))) * 2.4
        way = np.where((distance > 1e-9)[..., None], gap / np.maximum(distance, 1e-9)[..., None],
                       np.sign(turn)[..., None] * np.stack([np.cos(abs(turn)), np.sin(abs(turn))], axis=-1))  # fmt: skip
        places += (way * near[..., None] / 2).sum(1)
    return places


def draw_graph(graph: Graph) -> Figure:
    """Return a drawing with the nodes numbered; arcs of a directed graph have heads, and weights stand beside their edge.

    Meant for graphs of up to a few hundred nodes.
    """
    places = layout(graph)
    side = 5 if graph.n <= 20 else 7
    extent = np.ptp(places, axis=0) if graph.n > 1 else np.ones(2)
    width, height = (side * max(0.32, share) for share in extent / max(extent.max(), 1e-9))
    with style():
        figure = new_figure(max(width, 3.0), height)
        axes = figure.subplots()
        radius = max(4.0, 14 - graph.n / 6)
        weights = graph.arc_weights(torch.float64).tolist()
        for (u, v), weight in zip(graph.arcs.T.tolist(), weights, strict=True):
            if not graph.directed and u > v:
                continue
            if u == v:
                beside = (radius * 0.9, radius * 0.9)
                axes.annotate("↻", places[u], xytext=beside, textcoords="offset points", fontsize=radius, color=INK)
                continue
            look = {"arrowstyle": "-|>" if graph.directed else "-", "color": SOFT, "shrinkA": radius, "shrinkB": radius}
            look |= {"connectionstyle": f"arc3,rad={BEND}"} if graph.directed else {}
            axes.annotate("", places[v], xytext=places[u], arrowprops=look)
            if graph.weights is not None and graph.n <= 40:
                along = places[v] - places[u]
                # The middle of an arc3 curve lies off its chord by half its rad, to the right of the arrow.
                middle = (places[u] + places[v]) / 2 + (BEND / 2 * np.array([along[1], -along[0]]) if graph.directed else 0)
                label = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}
                axes.annotate(f"{weight:g}", middle, fontsize=9, ha="center", va="center", bbox=label)
        # Edges that pass behind a node do not touch it.
        ring: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 1.5, "zorder": 3}
        axes.plot(places[:, 0], places[:, 1], "o", markersize=2 * radius, color=PALETTE[0], linestyle="none", **ring)
        if graph.n <= 100:
            for node, place in enumerate(places):
                axes.annotate(str(node), place, ha="center", va="center", color="white", fontsize=radius * 0.85, zorder=4)
        axes.set_title(f"{graph.name}: {graph.n} nodes, {graph.edge_count} edges")
        axes.margins(0.12)
        axes.set_aspect("equal")
        axes.axis("off")
    return figure


def curves(fits: dict[str, list[Fit]]) -> Figure:
    """Return loss and validation accuracy against epochs, one line a layer: the mean over seeds, shaded from least to most."""
    with style():
        figure = new_figure(9.0, 3.6)
        panels = zip(figure.subplots(1, 2), ("loss", "val"), ("training loss", "validation accuracy (%)"), strict=True)
        for axes, key, label in panels:
            for colour, (layer, runs) in zip(PALETTE, fits.items(), strict=False):
                values = np.array([[entry[key] for entry in run.history] for run in runs])  # [S, epochs]
                values *= 100 if key == "val" else 1
                epochs = np.arange(1, values.shape[1] + 1)
                axes.plot(epochs, values.mean(0), color=colour, label=LABELS[layer])
                axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
            axes.set(xlabel="epoch", ylabel=label)
            axes.set_ylim(bottom=0)
        axes.legend(fontsize=9, loc="lower right")
        _heading(figure, "Training and validation", max(len(runs) for runs in fits.values()))
    return figure


def embeddings(fits: dict[str, list[Fit]], data: Citations) -> Figure:
    """Return the embedding of the seed that is best on validation, one panel a layer, coloured by class.

    A panel reaches from the 0.5th to the 99.5th percentile of both directions, and a margin; a few nodes lie beyond it.
    """
    columns = min(2, len(fits))
    lines = math.ceil(len(fits) / columns)
    with style():
        figure = new_figure(4.6 * columns, 4.1 * lines + 0.8)
        panels = np.atleast_1d(figure.subplots(lines, columns)).ravel()
        known = CORA_CLASSES if data.graph.name == "cora" else tuple(f"class {k}" for k in range(data.classes))
        for axes, (layer, runs) in zip(panels, fits.items(), strict=False):
            best = max(runs, key=lambda run: (run.val, -run.val_loss))
            points = principal(best.network, data)
            for k in range(data.classes):
                chosen = (data.labels == k).numpy()
                look = {"markersize": 3, "alpha": 0.6, "color": PALETTE[k % len(PALETTE)], "rasterized": True}
                axes.plot(points[chosen, 0], points[chosen, 1], ".", label=known[k], **look)
            axes.set_title(f"{LABELS[layer]}, test {best.test:.1%}", fontsize=10)
            low, high = np.percentile(points, [0.5, 99.5], axis=0)
            room = 0.08 * np.maximum(high - low, 1e-9)
            axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(FAINT)
        for axes in panels[len(fits) :]:
            axes.axis("off")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, markerscale=3)
        _heading(figure, "What enters the last layer, along its two directions of largest variance")
    return figure


def principal(network: Any, data: Citations) -> NDArray[np.float64]:
    """Return what enters the network's last layer along its two directions of largest variance [N, 2]."""
    network.eval()
    with torch.no_grad():
        h = network.embed(data.graph, data.features)
    h = (h.dense() if isinstance(h, SparseFeatures) else h).double()
    centred = h - h.mean(dim=0)
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -2:].flip(1)
    points: NDArray[np.float64] = (centred @ directions).numpy()
    return points if points.shape[1] == 2 else np.pad(points, ((0, 0), (0, 1)))


def smoothing(depths: list[Depth]) -> Figure:
    """Return accuracy and spread against depth: means over seeds, shaded from the least to the most."""
    with style():
        figure = new_figure(9.0, 3.6)
        named = ("test", "test accuracy (%)"), ("spread", "mean cosine distance of nodes")
        for axes, (key, label) in zip(figure.subplots(1, 2), named, strict=True):
            scale = 100 if key == "test" else 1
            for colour, layer in zip(PALETTE, dict.fromkeys(d.layer for d in depths), strict=False):
                deep = [d for d in depths if d.layer == layer]
                values = [[scale * value for value in getattr(d, key)] for d in deep]
                x = [d.depth for d in deep]
                axes.plot(x, [fmean(v) for v in values], "o-", color=colour, label=LABELS[layer])
                axes.fill_between(x, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.15, linewidth=0)
            axes.set_xscale("log", base=2)
            axes.set_xticks(x, [str(d) for d in x])
            axes.set_ylim(0, None)
            axes.set(xlabel="layers", ylabel=label)
        axes.legend(fontsize=9)
        _heading(figure, "Deep graph networks: accuracy falls, and nodes become alike", len(depths[0].test))
    return figure


def failures(found: Failures) -> Figure:
    """Return the three failures of the MLP on [A, H] beside the graph network; whiskers reach over the seeds."""
    with style():
        figure = new_figure(9.0, 3.8)
        left, right = figure.subplots(1, 2)
        groups = [("as trained", found.mlp, found.graph), ("nodes renamed", found.mlp_relabelled, found.graph_relabelled),
                  ("half the graph", found.mlp_part, found.graph_part)]  # fmt: skip
        sides = ((-0.2, PALETTE[1], "MLP on [A, H]"), (0.2, PALETTE[0], "mean convolution"))
        for place, (_, *both) in enumerate(groups):
            for (shift, colour, label), values in zip(sides, both, strict=True):
                mean, low, high = (100 * of(values) for of in (fmean, min, max))
                left.bar(place + shift, mean, 0.38, color=colour, label=None if place else label)
                if high > low:
                    left.errorbar(place + shift, mean, [[mean - low], [high - mean]], ecolor=INK, elinewidth=1, capsize=2)
                left.annotate(f"{mean:.0f}%", (place + shift, high + 1), ha="center", va="bottom", fontsize=9)
        left.set_xticks(range(3), [name for name, _, _ in groups])
        left.grid(visible=False, axis="x")
        left.set(ylim=(0, 105), yticks=range(0, 101, 20), ylabel="test accuracy (%)")
        right.plot(found.nodes, found.mlp_inputs, "o--", color=PALETTE[4], label="numbers in [A, H]")
        right.plot(found.nodes, found.mlp_parameters, "o-", color=PALETTE[1], label="parameters, MLP on [A, H]")
        right.plot(found.nodes, found.graph_parameters, "o-", color=PALETTE[0], label="parameters, mean convolution")
        for which in ("x", "y"):
            log_scale(right, which, marks=(1,))
        right.yaxis.set_major_formatter(EngFormatter())
        right.set(xlabel="nodes", ylabel="count")
        left.set_title("New names and new sizes", fontsize=10)
        right.set_title("Growth with the graph", fontsize=10)
        for axes, columns in ((left, 2), (right, 1)):
            axes.legend(fontsize=8.5, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.16 if axes is left else -0.22))
        _heading(figure, "An MLP on [A, H] beside a graph network, Cora", len(found.mlp))
    return figure


def _heading(figure: Figure, text: str, seeds: int = 1) -> None:
    spread = f" (mean and range of {seeds} seeds)" if seeds > 1 else ""
    figure.suptitle(text + spread, fontsize=11, fontweight="bold", x=0.01, ha="left")
