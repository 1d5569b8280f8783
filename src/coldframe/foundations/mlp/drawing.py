"""The figures of ``coldframe train mlp``: curves and the confusion of the best seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldframe.foundations.mlp.fitting import Fit
from coldframe.report.figures.style import INK, PALETTE, distinct, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coldframe.foundations.mlp.scores import Counts


def curves(fits: Sequence[Fit], title: str) -> Figure:
    """Return loss and accuracy against the epoch: mean over seeds, shaded from the least to the most, best epochs marked."""
    epochs = range(1, len(fits[0].train_loss) + 1)
    with style():
        figure = new_figure(9.0, 3.6)
        axes = figure.subplots(1, 2)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        for panel, field, scale in ((axes[0], "loss", 1.0), (axes[1], "top1", 100.0)):
            for colour, line, split in ((PALETTE[0], "--", "train"), (PALETTE[1], "-", "val")):
                values = scale * np.array([getattr(fit, f"{split}_{field}") for fit in fits])  # [seeds, epochs]
                name = {"train": "train, as met", "val": "validation"}[split]
                panel.plot(epochs, values.mean(axis=0), line, color=colour, linewidth=1.8, label=name)
                if len(fits) > 1:
                    panel.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)
                if split == "val":
                    best = [fit.epoch for fit in fits]
                    heights = [values[i, epoch - 1] for i, epoch in enumerate(best)]
                    panel.plot(best, heights, "o", color=colour, markersize=5, label="epoch chosen")
            panel.set(xlabel="epoch", ylabel={"loss": "cross-entropy", "top1": "accuracy (%)"}[field])
            panel.xaxis.get_major_locator().set_params(integer=True)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def confusion_matrix(counts: Counts, classes: Sequence[str], title: str) -> Figure:
    """Return the matrix in percent of each true class [K, K]; a number stands in a cell where there are 20 classes or fewer."""
    k, names = len(counts), distinct(classes, 18)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with style():
        side = min(12.0, max(3.4, 0.38 * k + 1.6))
        figure = new_figure(side + 1.0, side)
        axes = figure.add_subplot()
        picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(k), names, rotation=55, ha="right", rotation_mode="anchor", fontsize=9)
        axes.set_yticks(range(k), names, fontsize=9)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if k <= 20:
            for (i, j), value in np.ndenumerate(share):
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if value > 55 else INK)
        axes.set(xlabel="predicted", ylabel="true", title=title)
        figure.colorbar(picture, ax=axes, shrink=0.7, label="% of the true class").outline.set_visible(False)
    return figure
