"""Figures of what a model sees: feature maps, token norms, attention, filters, and pictures that two models see differently."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from coldframe.report.figures.style import INK, SOFT, distinct, image_sheet, new_figure, shorten, style

Picture = NDArray[np.uint8]
Maps = NDArray[np.float32]
COLOURS = "magma"


def rows_figure(
    image: Picture,
    rows: Mapping[str, Sequence[Maps]],
    titles: Mapping[str, Sequence[str]] | None = None,
    *,
    heading: str = "",
    note: str = "",
    size: float = 1.35,
    columns: int = 12,
) -> Figure:
    """Draw the picture on the left and one row of maps for each name beside it.

    Args:
        image: RGB [S, S, 3].
        rows: what stands at the left of a row -> its maps [H, W] in [0, 1].
        titles: row -> one text above each of its maps.
        heading: over the figure.
        note: under it, in small letters.
        size: inches of one map's side.
        columns: most maps of a row that are drawn.
    """
    wide = min(columns, max(len(maps) for maps in rows.values()))
    with style():
        high = max(len(rows), 2) * (size + (0.28 if titles else 0.08))
        figure = new_figure(2.2 * size + 1.3 + wide * (size + 0.06), high + (0.42 if heading else 0) + (0.25 if note else 0))
        sides: Any = figure.subfigures(1, 2, width_ratios=[2.2 * size, 1.3 + wide * (size + 0.06)])
        left, right = sides
        shown = left.add_subplot()
        shown.imshow(image)
        shown.set_axis_off()
        axes = right.subplots(len(rows), wide, squeeze=False)
        for line, (name, maps) in enumerate(rows.items()):
            for place in range(wide):
                cell: Any = axes[line][place]
                cell.set(xticks=[], yticks=[])
                cell.spines[:].set_visible(False)
                cell.grid(visible=False)
                if place < len(maps):
                    cell.imshow(maps[place], cmap=COLOURS, vmin=0, vmax=1, interpolation="nearest")
                    if titles:
                        cell.set_title(titles[name][place], fontsize=8, fontweight="normal", loc="center", color=SOFT, pad=3)
            axes[line][0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK, labelpad=8)
        if heading:
            figure.suptitle(heading, fontsize=11, fontweight="bold", x=0.01, ha="left")
        if note:
            figure.supxlabel(note, fontsize=8.5, color=SOFT, x=0.01, ha="left")
    return figure


def maps_sheet(maps: Mapping[str, Maps], heading: str, columns: int = 6) -> Figure:
    """Draw one map [H, W] in [0, 1] for each name, in reading order."""
    return image_sheet(list(maps.values()), list(maps), min(columns, len(maps)), title=heading, colour_map=COLOURS)


def rollout_figure(image: Picture, rollout: Maps, heading: str) -> Figure:
    """Draw the picture, the rollout, and the picture lit by it.

    Args:
        image: RGB [S, S, 3].
        rollout: attention to each patch [H, W], in [0, 1].
        heading: over the figure.
    """
    from PIL import Image

    mask = Image.fromarray((rollout * 255).round().astype(np.uint8)).resize(image.shape[1::-1], Image.Resampling.BICUBIC)
    light = 0.15 + 0.85 * np.asarray(mask, dtype=np.float32)[..., None] / 255
    lit = (image * light).round().astype(np.uint8)
    with style():
        figure = new_figure(7.8, 3.05)
        panels: list[tuple[str, Any]] = [("picture", image), ("rollout", rollout), ("picture, lit by the rollout", lit)]
        for place, (title, shown) in enumerate(panels, 1):
            axes = figure.add_subplot(1, 3, place)
            axes.imshow(shown, cmap=COLOURS, interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(title, fontsize=9, fontweight="normal", loc="center")
        figure.suptitle(heading, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def filters_figure(sheet: Maps, heading: str) -> Figure:
    """Draw a sheet of filters [H, W, 3] in [0, 1], each weight as a square."""
    height, width = sheet.shape[:2]
    inches = min(9.0, max(4.5, width / 12))
    with style():
        figure = new_figure(inches, inches * height / width + 0.45)
        axes = figure.add_subplot()
        axes.imshow(sheet, interpolation="nearest")
        axes.set_axis_off()
        figure.suptitle(heading, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def differing_figure(
    halves: Sequence[tuple[str, Sequence[Picture], Sequence[tuple[str, str, str]]]], names: tuple[str, str], columns: int = 6
) -> Figure:
    """Draw pictures that one of two models gets right, in one part for each model.

    Args:
        halves: for A and for B: heading, RGB pictures of one size [N, S, S, 3], and (true class, answer of A, answer of B).
        names: of A and of B.
        columns: pictures in a row.
    """
    short = distinct(names, 18)
    counted = [max(1, math.ceil(len(pictures) / columns)) for _, pictures, _ in halves]
    with style():
        figure = new_figure(columns * 1.75, sum(lines * 2.35 + 0.4 for lines in counted))
        parts = figure.subfigures(len(halves), 1, height_ratios=[lines * 2.35 + 0.4 for lines in counted], squeeze=False)
        for part, lines, (heading, pictures, answers) in zip(parts[:, 0], counted, halves, strict=True):
            part.suptitle(heading, fontsize=11, fontweight="bold", x=0.01, ha="left")
            for number, (picture, (true, a, b)) in enumerate(zip(pictures, answers, strict=True), 1):
                axes = part.add_subplot(lines, columns, number)
                axes.imshow(picture)
                axes.set_axis_off()
                axes.set_title(shorten(true, 20), fontsize=9, fontweight="bold", loc="center", pad=3)
                said = f"{short[0]}: {shorten(a, 20)}\n{short[1]}: {shorten(b, 20)}"
                axes.text(0.5, -0.03, said, transform=axes.transAxes, ha="center", va="top", fontsize=7.5, color=SOFT)
            if not len(pictures):
                part.text(0.02, 0.5, "none", fontsize=10, color=SOFT)
    return figure
