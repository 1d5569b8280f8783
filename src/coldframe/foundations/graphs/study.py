"""Node classification on a citation graph: what ``coldframe train gcn`` runs, and the result it gives back.

Measured on Cora, official split, 10 seeds, 200 epochs, best epoch by validation: see docs/results/graphs.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

from coldframe.errors import InputError, nearest
from coldframe.foundations.graphs.classifier import LABELS, LayerName, NodeClassifier, parameter_count
from coldframe.foundations.graphs.failures import Depth, Failures, measure_failures, measure_smoothing
from coldframe.foundations.graphs.fitting import Fit, fit
from coldframe.foundations.graphs.planetoid import NAMES, Citations, load_planetoid
from coldframe.machine.room import check_fits
from coldframe.measures.hardware import machine
from coldframe.report.study import plain_text, write
from coldframe.results.rows import complete, groups
from coldframe.types import Row
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Choice = Literal["mean", "gcn", "gat", "mlp", "all"]
DataName = Literal["cora", "citeseer", "pubmed"]
PUBLISHED = {"gcn": 0.815, "gat": 0.830, "mlp": 0.551}
"""Test accuracies on Cora in the papers: Kipf and Welling 2017, tables 2 (GCN) and 3 (MLP); Velickovic et al. 2018, table 2."""


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        data: the citation graph.
        fits: layer -> one trained network a seed.
        rows: one per layer and seed, as in ``results.json``.
        failures: the MLP on [A, H], where it was asked for.
        smoothing: networks of growing depth, where they were asked for.
    """

    command: str
    data: Citations
    fits: dict[str, list[Fit]]
    rows: list[Row]
    failures: Failures | None = None
    smoothing: list[Depth] = field(default_factory=list)

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        over_seeds = [group.summary() for group in groups(self.rows) if len(group.rows) > 1]
        published = [
            complete({"method": layer, "data": "cora", "split": "test", "top1": value})
            for layer, value in PUBLISHED.items()
            if layer in self.fits
        ]
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": machine(),
            "rows": [*self.rows, *over_seeds],
            "published": published if self.data.graph.name == "cora" else [],
            "failures": None if self.failures is None else asdict(self.failures),
            "smoothing": [asdict(depth) for depth in self.smoothing],
        }

    def table(self) -> list[list[str]]:
        """Return the printed table: a head, then a line per layer."""
        lines = [["layer", "test accuracy", "published", "val", "parameters", "training"]]
        for group in groups(self.rows):
            half = group.half("top1")
            known = PUBLISHED.get(group.method) if self.data.graph.name == "cora" else None
            lines.append(
                [
                    LABELS[group.method],
                    f"{100 * (group.mean('top1') or 0):.1f}" + ("" if half is None else f" ± {100 * half:.1f}"),
                    "" if known is None else f"{100 * known:.1f}",
                    f"{100 * (group.mean('val_top1') or 0):.1f}",
                    f"{group.rows[0]['trainable_parameters']:,}",
                    f"{group.mean('train_seconds') or 0:.1f} s",
                ]
            )
        return lines

    def notes(self) -> list[str]:
        """Return what stands under the table, a sentence or two each."""
        data, seeds = self.data, len(next(iter(self.fits.values())))
        shown = "One seed" if seeds == 1 else f"Mean and 95% interval over {seeds} seeds"
        said = [
            f"{data.graph.name}: {data.graph.n:,} nodes, {data.graph.edge_count:,} edges, {data.features.shape[1]:,} words, "
            f"{data.classes} classes; {len(data.train)} nodes train, {len(data.val)} validate, {len(data.test):,} test. "
            f"{shown}; the epoch is chosen on validation, test is read once."
        ]
        said += [] if self.failures is None else self.failures.lines()
        for layer in dict.fromkeys(depth.layer for depth in self.smoothing):
            deep = [d for d in self.smoothing if d.layer == layer]
            parts = [f"{d.depth} layers {fmean(d.test):.1%} (spread {fmean(d.spread):.2f})" for d in deep]
            said.append(f"Depth, {LABELS[layer]}: " + "; ".join(parts) + ".")
        return said

    def __str__(self) -> str:
        return plain_text(self.table(), self.notes())

    def figures(self) -> dict[str, tuple[str, Figure]]:
        """Return file stem -> (caption, figure)."""
        from coldframe.foundations.graphs.drawing import curves, embeddings, failures, smoothing

        found = {
            "curves": (
                "Training: loss on the training nodes and accuracy on the validation nodes, mean and range over seeds.",
                curves(self.fits),
            ),
            "embedding": (
                "What enters the last layer, in its two main directions (PCA); every point is a paper, its colour the subject.",
                embeddings(self.fits, self.data),
            ),
        }
        if self.smoothing:
            caption = "Over-smoothing: with many layers all nodes look alike, and accuracy falls."
            found["smoothing"] = (caption, smoothing(self.smoothing))
        if self.failures is not None:
            caption = "An MLP on [A, H] against a graph network: nodes renamed, half of the graph, growth."
            found["failures"] = (caption, failures(self.failures))
        return found

    def save(self, folder: str | Path) -> Path:
        """Write ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
        return write(folder, f"Node classes on {self.data.graph.name}", self)


def gcn(
    layer: Choice = "gcn",
    *,
    data: DataName = "cora",
    seeds: int = 10,
    epochs: int = 200,
    hidden: int | None = None,
    depth: int = 2,
    dropout: float | None = None,
    lr: float | None = None,
    weight_decay: float = 5e-4,
    failures: bool = False,
    smoothing: bool = False,
    out: Path | None = None,
) -> Study:
    """Train graph networks that name the subject of each paper of a citation graph.

    Args:
        layer: mean convolution, GCN, attention, an MLP that does not see the graph, or all of them.
        data: citation graph with its official split, read from the data folder.
        seeds: runs; the table has their mean and 95% interval.
        epochs: steps over the whole graph.
        hidden: width between the layers; 16, and 8 heads of 8 for gat, when left out.
        depth: number of layers.
        dropout: 0.5, and 0.6 for gat, when left out.
        lr: learning rate of Adam; 0.01, and 0.005 for gat, when left out.
        weight_decay: L2 on all weights.
        failures: also measure how an MLP on [A, H] fails: relabelling, new sizes, growth.
        smoothing: also train networks of growing depth.
        out: folder for results.json, figures and report.html.
    """
    if layer not in get_args(Choice):
        raise InputError(f"unknown layer {layer!r}{nearest(layer, get_args(Choice))}")
    if data not in NAMES:
        raise InputError(f"unknown citation graph {data!r}{nearest(data, NAMES)}")
    if seeds < 1 or epochs < 1:
        raise InputError(f"expected 1 or more, found seeds={seeds} and epochs={epochs}; give positive numbers")
    citations = load_planetoid(data)
    chosen: tuple[LayerName, ...] = get_args(LayerName) if layer == "all" else (layer,)
    for name in chosen:
        wide = hidden if hidden is not None else (64 if name == "gat" else 16)
        _check_memory(citations, wide, depth)
    fits: dict[str, list[Fit]] = {}
    rows: list[Row] = []
    for name in chosen:
        gat = name == "gat"
        for seed in range(seeds):
            network = NodeClassifier(
                name,
                citations.features.shape[1],
                citations.classes,
                hidden=hidden if hidden is not None else (64 if gat else 16),
                depth=depth,
                dropout=dropout if dropout is not None else (0.6 if gat else 0.5),
                seed=seed,
            )
            rate = lr if lr is not None else (0.005 if gat else 0.01)
            run = fit(network, citations, epochs=epochs, lr=rate, weight_decay=weight_decay, seed=seed)
            fits.setdefault(name, []).append(run)
            rows.append(_row(name, data, seed, run, citations))
    study = Study(_command(layer, data, seeds, epochs, failures, smoothing), citations, fits, rows)
    if failures:
        study.failures = measure_failures(citations, seeds=min(seeds, 3), epochs=epochs)
    if smoothing:
        deep: tuple[LayerName, ...] = ("gcn", "mean") if layer == "all" else chosen
        study.smoothing = measure_smoothing(citations, deep, seeds=min(seeds, 3), epochs=epochs)
    if out is not None:
        study.save(out)
    return study


def _check_memory(data: Citations, hidden: int, depth: int) -> None:
    """Refuse widths and depths that do not fit: weights with gradients and Adam's two means, and what each layer gives."""

    def needs(wide: int, layers: int) -> int:
        weights = data.features.shape[1] * wide + max(0, layers - 2) * wide**2 + wide * data.classes
        return 4 * (4 * weights + data.graph.n * wide * (layers - 1))

    check_fits("a hidden width", hidden, lambda wide: needs(wide, min(depth, 2)), of=f"on {data.graph.name}")
    check_fits("a depth", depth, lambda layers: needs(hidden, layers), of=f"with a hidden width of {hidden:,}")


def _row(name: str, data: str, seed: int, run: Fit, citations: Citations) -> Row:
    count = parameter_count(run.network)
    return complete(
        {
            "method": name, "model": "node-classifier", "data": data, "seed": seed, "split": "test", "n": len(citations.test),
            "top1": run.test, "train_seconds": round(run.seconds, 3), "trainable_parameters": count, "stored_bytes": 4 * count,
            "val_top1": run.val, "best_epoch": run.epoch, "chosen_on": "val",
        }
    )  # fmt: skip


def _command(layer: str, data: str, seeds: int, epochs: int, failures: bool, smoothing: bool) -> str:
    flags = [" --failures"] * failures + [" --smoothing"] * smoothing
    return f"coldframe train gcn --layer {layer} --data {data} --seeds {seeds} --epochs {epochs}" + "".join(flags)
