"""The figure of what each corruption does to each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from coldframe.report.figures.style import INK, new_figure, shorten, style

if TYPE_CHECKING:
    from coldframe.results.results import Results
    from coldframe.results.rows import Group

_DARK = 0.55
"""Share of the colour scale above which text is white."""


def corruption_means(group: Group) -> dict[str, float]:
    """Return the mean over severities and seeds of each corruption; empty where none was measured."""
    measured = [row["corruptions"]["top1"] for row in group.rows if row.get("corruptions")]
    return {name: float(np.mean([one[name] for one in measured])) for name in measured[0]} if measured else {}


def _clean(group: Group) -> float:
    """Return top-1 of the images that were corrupted, as they are, mean over seeds."""
    return float(np.mean([row["corruptions"]["clean_top1"] for row in group.rows if row.get("corruptions")]))


def corruption_figure(table: Results) -> Figure | None:
    """Draw top-1 under each corruption as a field of numbers: a row a corruption, a column per method, clean and mean first."""
    shown = [(group, means) for group in table.groups() if (means := corruption_means(group))]
    if not shown:
        return None
    names = list(shown[0][1])
    first = [[_clean(group), group.mean("corruption_top1") or 0.0] for group, _ in shown]
    field = np.array([[*pair, *means.values()] for pair, (_, means) in zip(first, shown, strict=True)])
    labels = ["clean", "mean of 15", *(name.replace("-", " ") for name in names)]
    with style():
        figure = new_figure(max(3.6, 1.8 + 0.85 * len(shown)), 1.3 + 0.27 * len(labels))
        axes = figure.add_subplot()
        axes.imshow(100 * field.T, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        slanted = len(shown) > 1
        axes.set_xticks(range(len(shown)), [shorten(group.label, 20) for group, _ in shown], fontsize=9,
                        rotation=35 if slanted else 0, ha="right" if slanted else "center",
                        rotation_mode="anchor" if slanted else "default")  # fmt: skip
        axes.set_yticks(range(len(labels)), labels, fontsize=9)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.axhline(1.5, color="white", linewidth=3)
        for (column, row), value in np.ndenumerate(field):
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8.5,
                      color="white" if value > _DARK else INK)  # fmt: skip
        axes.set_title("Top-1 (%) by corruption")
    return figure
