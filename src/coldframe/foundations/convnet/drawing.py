"""The figures of ``coldframe train cnn``: loss curves laid over one another, and the first layer's filters before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from coldframe.foundations.convnet.fitting import Fit
from coldframe.report.figures.style import line_plot, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPS = 1e-4


def as_pictures(filters: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return filters as colours, H' = H / (2 (max |H| + eps)) + 1/2 with a maximum for each filter and eps = 1e-4.

    Args:
        filters: [F, 3, h, w].

    Returns:
        Values in [0, 1], grey where a weight is 0 [F, h, w, 3].
    """
    values = filters.detach().double().cpu().numpy()
    highest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    shown: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (values / (2 * (highest + EPS)) + 0.5).transpose(0, 2, 3, 1)
    return shown


def curves(fits: Mapping[str, Sequence[Fit]], title: str) -> Figure:
    """Return the training loss of each network against the epoch: mean over seeds, shaded from the least to the most."""
    lines, bands = {}, {}
    for name, runs in fits.items():
        values = np.array([run.train_loss for run in runs])  # [seeds, epochs]
        lines[name] = (list(range(1, values.shape[1] + 1)), values.mean(axis=0).tolist())
        bands[name] = (values.min(axis=0).tolist(), values.max(axis=0).tolist())
    return line_plot(lines, title=title, x_label="epoch", y_label="training loss (cross-entropy)", bands=bands, height=4.0)


def filters_sheet(fit: Fit, title: str) -> Figure:
    """Return the first layer's filters, before training at the left and after it at the right, each in its place."""
    before, after = as_pictures(fit.before), as_pictures(fit.network.first)
    columns = 8 if len(before) > 24 else 6
    with style():
        figure = new_figure(8.6, 0.75 + 4.1 * -(-len(before) // columns) / columns)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        halves = (("before training", before), ("after training", after))
        for axes, (name, pictures) in zip(figure.subplots(1, 2), halves, strict=True):
            axes.imshow(_sheet(pictures, columns), interpolation="nearest", vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(name, fontsize=10, fontweight="normal", loc="left")
    return figure


def _sheet(
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.float64]], columns: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Lay pictures [F, h, w, 3] in rows with a white line of one pixel between them."""
    count, height, width, _ = pictures.shape
    lines = -(-count // columns)
    sheet = np.ones((lines * (height + 1) - 1, columns * (width + 1) - 1, 3))
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = picture
    return sheet
