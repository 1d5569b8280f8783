"""Pictures with what a model makes of them: each image above a bar chart of its most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK, BAR, QUIET = "#1d2733", "#9cc7e2", "#dbe2e8"


def prediction_figure(
    images: Sequence[NDArray[np.uint8]],
    tops: Sequence[Sequence[tuple[str, float]]],
    titles: Sequence[str] = (),
    *,
    heading: str = "",
    columns: int = 4,
) -> Figure:
    """Draw images with their most probable classes.

    Args:
        images: RGB pictures [H, W, 3].
        tops: for each picture (class, probability), best first.
        titles: one a picture, such as its true class.
        heading: over the whole figure, such as the template.
        columns: pictures in a row.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    most = max(len(top) for top in tops)
    figure = Figure(figsize=(2.7 * columns, rows * (2.5 + 0.24 * most) + 0.5), layout="constrained")
    if heading:
        figure.suptitle(heading, fontsize=12, color=INK)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[2.0, 0.3 * most] * rows)
    for number, (image, top) in enumerate(zip(images, tops, strict=True)):
        row, column = divmod(number, columns)
        picture: Any = figure.add_subplot(grid[2 * row, column])
        picture.imshow(image, interpolation="nearest" if max(image.shape[:2]) <= 64 else "antialiased")
        picture.set_axis_off()
        picture.set_anchor("S")
        if titles:
            picture.set_title(titles[number], fontsize=9, color=INK)
        bars: Any = figure.add_subplot(grid[2 * row + 1, column])
        values = [value for _, value in top]
        colours = [BAR, *[QUIET] * (len(top) - 1)]
        bars.barh(range(len(top)), values, color=colours, height=0.72)
        bars.set(xlim=(0, 1), ylim=(most - 0.4, -0.6))
        for place, (name, value) in enumerate(top):
            shown = name if len(name) <= 26 else name[:25] + "…"
            bars.text(0.02, place, f"{shown}  {_share(value)}", va="center", ha="left", fontsize=8, color=INK)
        bars.set_axis_off()
    return figure


def _share(value: float) -> str:
    return "< 1%" if 0 < value < 0.005 else f"{value:.0%}"
