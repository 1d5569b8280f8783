"""``coldframe train batch-norm``: what batch normalisation cancels, and what small batches do to it and to its alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coldframe.folding import fold_batch_norm
from coldframe.foundations.batch_norm.batch_sizes import SIZES, Outcome, compare, figure, network, over_seeds
from coldframe.foundations.batch_norm.dot_product import neuron, neuron_gradients, turn
from coldframe.measures.hardware import machine
from coldframe.version import __version__

EQUAL = 1e-6
"""Largest difference, as a share of the largest output, at which two outputs count as equal: folding is done in fp32."""


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        outcomes: a network each.
        algebra: a claim each, with the largest difference that was found.
        machine: where it ran.
    """

    command: str
    outcomes: list[Outcome]
    algebra: list[dict[str, Any]]
    machine: dict[str, Any]

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        means = over_seeds(self.outcomes, "running")
        cells = [
            {"normalisation": kind, "batch": batch, "mean": mean, "half": half} for (kind, batch), (mean, half) in means.items()
        ]
        return {
            "coldframe": __version__, "command": self.command, "machine": self.machine, "algebra": self.algebra,
            "rows": [asdict(outcome) for outcome in self.outcomes], "cells": cells,
        }  # fmt: skip

    def table(self) -> list[list[str]]:
        """Return a head, then a line a normalisation: test accuracy by batch size."""
        means = over_seeds(self.outcomes, "running")
        sizes = sorted({batch for _, batch in means})
        lines = [["normalisation", *(f"batch {size}" for size in sizes)]]
        for kind in dict.fromkeys(kind for kind, _ in means):
            cells = [means.get((kind, size)) for size in sizes]
            lines.append([kind, *("refused" if c is None else f"{100 * c[0]:.1f} ± {100 * c[1]:.1f}" for c in cells)])
        return lines

    def notes(self) -> list[str]:
        """Return the algebra, a sentence each."""
        return [
            f"{c['claim']}: {'holds' if c['holds'] else 'DOES NOT HOLD'} (difference {c['difference']:.1e})"
            for c in self.algebra
        ]

    def figures(self) -> dict[str, tuple[str, Any]]:
        """Return file stem -> (caption, figure)."""
        return {"batch-sizes": ("Test accuracy against batch size, by normalisation.", figure(self.outcomes))}

    def __str__(self) -> str:
        from coldframe.report.study import plain_text

        return plain_text(self.table(), self.notes())


def algebra(seed: int = 0, draws: int = 20) -> list[dict[str, Any]]:
    """Return the claims of the derivation, each with the largest difference over random draws, as a share of the largest value.

    A neuron x_i = w . h_i + b has the normalised output w . (h_i - mean h) / sqrt(w^T C w): no b, and a w is like w.
    """
    random = np.random.default_rng(seed)
    worst = dict.fromkeys(("bias", "scale", "gradient", "decay"), 0.0)
    for _ in range(draws):
        h, w, r = random.standard_normal((16, 5)), random.standard_normal(5), random.standard_normal(16)
        z, slope = neuron(h, w), neuron_gradients(h, w, r)
        one, _ = turn(h, w, r, 0.01)
        two, _ = turn(h, 2 * w, r, 0.04)
        right_angle = abs(w @ slope.w) / float(np.linalg.norm(w) * np.linalg.norm(slope.w))
        differences = {
            "bias": float(np.abs(neuron(h, w, 7.0) - z).max() / np.abs(z).max()),
            "scale": float(np.abs(neuron(h, 5 * w) - z).max() / np.abs(z).max()),
            "gradient": max(float(right_angle), abs(float(neuron_gradients(h, w, r, 3.0).b))),
            "decay": abs(one - two) / one,
        }
        worst = {name: max(worst[name], difference) for name, difference in differences.items()}
    with torch.no_grad():
        net, x = network("batch", seed), torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        net(x)  # running averages that are not 0 and 1
        plain = net.eval()(x)
        folded = float((fold_batch_norm(net)(x) - plain).abs().max() / plain.abs().max())
    said = {
        "the bias cancels: w . h + b and w . h give the same output": worst["bias"],
        "the scale cancels: a w and w give the same output for a > 0": worst["scale"],
        "the gradient is at a right angle to w, and that of the bias is 0": worst["gradient"],
        "a step turns 2 w by the angle by which it turns w at a quarter of the learning rate": worst["decay"],
        "after training it folds into the layer before it": folded,
    }
    return [{"claim": claim, "difference": value, "holds": value <= EQUAL} for claim, value in said.items()]


def batch_norm(
    *, sizes: tuple[int, ...] = SIZES, seeds: int = 3, epochs: int = 2, lr: float = 0.2, images: int | None = None,
    out: Path | None = None,
) -> Study:  # fmt: skip
    """Measure what batch normalisation cancels, and train six ways to normalise at every batch size on mini:mnist.

    Args:
        sizes: batch sizes, such as --sizes 2 --sizes 64; batch normalisation at 1 is refused and left out.
        seeds: runs of each.
        epochs: passes over the training pictures.
        lr: learning rate of a batch of 64; it grows and shrinks with the batch.
        images: training pictures at most; all 1,920 when left out.
        out: folder for results.json, the figure and report.html.
    """
    flags = "".join(f" --{name} {value}" for name, value in (("seeds", seeds), ("epochs", epochs), ("lr", lr)))
    flags += "".join(f" --sizes {size}" for size in sizes if tuple(sizes) != SIZES) + (f" --images {images}" if images else "")
    outcomes: Sequence[Outcome] = compare(sizes=sizes, seeds=seeds, epochs=epochs, lr=lr, images=images)
    study = Study(f"coldframe train batch-norm{flags}", list(outcomes), algebra(), machine())
    if out is not None:
        from coldframe.report.study import write

        write(out, "Batch normalisation: what it cancels, and where it fails", study)
    return study
