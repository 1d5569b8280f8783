"""Heat maps of a grid: a panel for each data set and each setting beyond the two axes, one colour scale a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldframe.report.figures.style import INK, new_figure, shorten, style


@dataclass
class Panel:
    """One field of numbers.

    Args:
        data: its row of panels.
        title: what the panel holds fixed.
        values: (row, column) -> a fraction, or None.
    """

    data: str
    title: str
    values: dict[tuple[str, str], float | None] = field(default_factory=dict)


def heat_map(
    panels: Sequence[Panel],
    row_label: str,
    column_label: str,
    baselines: Mapping[str, tuple[str, float]] | None = None,
    measured: str = "top-1, %",
) -> Figure:
    """Return the figure; numbers are percent with one decimal.

    Args:
        panels: of one method.
        row_label: what the rows vary.
        column_label: what the columns vary.
        baselines: by data, the name and the fraction of what the cells have to beat: a row of its own under them.
        measured: what the numbers are, beside the colour bar.
    """
    beside = baselines or {}
    data = list(dict.fromkeys(panel.data for panel in panels))
    titles = list(dict.fromkeys(panel.title for panel in panels))
    rows = list(dict.fromkeys(row for panel in panels for row, _ in panel.values))
    columns = list(dict.fromkeys(column for panel in panels for _, column in panel.values))
    with style():
        cell = (0.95, 0.42)
        lines = len(rows) + 1.4 * bool(beside)
        size = (2.2 + len(titles) * (0.5 + cell[0] * len(columns)), 0.5 + len(data) * (1.1 + cell[1] * lines))
        figure = new_figure(max(4.0, size[0]), size[1])
        axes = figure.subplots(len(data), len(titles), squeeze=False)
        for i, name in enumerate(data):
            mine = [panel for panel in panels if panel.data == name]
            known = [v for panel in mine for v in panel.values.values() if v is not None]
            known += [beside[name][1]] if name in beside else []
            low, high = (min(known), max(known)) if known else (0.0, 1.0)
            shades = {"vmin": max(0.0, 100 * (low - 0.4 * (high - low))) - 1e-4, "vmax": 100 * high + 1e-4}
            for j, title in enumerate(titles):
                axis = axes[i, j]
                panel = next((panel for panel in mine if panel.title == title), Panel(name, title))
                values = np.array([[_number(panel.values.get((r, c))) for c in columns] for r in rows])
                image = axis.imshow(100 * values, cmap="Blues", aspect="auto", **shades)
                for (r, c), value in np.ndenumerate(values):
                    dark = value > low + 0.5 * (high - low)
                    text = "–" if np.isnan(value) else f"{100 * value:.1f}"
                    axis.text(c, r, text, ha="center", va="center", fontsize=9, color="white" if dark else INK)
                places, names = list(map(float, range(len(rows)))), list(rows)
                if name in beside:
                    places, names = [*places, len(rows) + 0.4], [*names, shorten(beside[name][0])]
                    _row_below(axis, beside[name][1], low + 0.5 * (high - low), (len(rows), len(columns)), shades)
                axis.set_xticks(range(len(columns)), columns)
                axis.set_yticks(places, names if j == 0 else [""] * len(names))
                axis.grid(visible=False)
                axis.tick_params(length=0)
                axis.spines[:].set_visible(False)
                room = max(30, 14 * len(columns))
                axis.set_title("\n".join(shorten(text, room) for text in (name, title) if text), fontsize=9)
                if i == len(data) - 1:
                    axis.set_xlabel(column_label.replace("+", ", "))
                if j == 0:
                    axis.set_ylabel(row_label.replace("+", ", "))
            bar = figure.colorbar(image, ax=list(axes[i]), fraction=0.05, aspect=12, pad=0.02)
            bar.set_label(measured, fontsize=8)
            bar.ax.tick_params(labelsize=8, length=2)
            bar.outline.set_visible(False)
    return figure


def _row_below(axis: Axes, value: float, middle: float, shape: tuple[int, int], shades: Any) -> None:
    """Draw one number as wide as the grid of ``shape`` (rows, columns) under it, a gap between them, in the same shades."""
    rows, columns = shape
    reach = (-0.5, columns - 0.5, rows + 0.9, rows - 0.1)
    axis.imshow([[100 * value]], cmap="Blues", aspect="auto", extent=reach, **shades)
    colour = "white" if value > middle else INK
    axis.text((columns - 1) / 2, rows + 0.4, f"{100 * value:.1f}", ha="center", va="center", fontsize=9, color=colour)
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows + 0.9, -0.5))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
