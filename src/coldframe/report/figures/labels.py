"""Names beside points, placed so that none covers another, a point or the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.transforms import Bbox

from coldframe.report.figures.style import INK, SOFT

_ANGLES = (0, 180, 90, 270, 45, 315, 135, 225)
_DISTANCES = (9, 16, 26, 38, 52, 68, 86)


def place_labels(
    axes: Any,
    points: Sequence[tuple[float, float]],
    halves: Sequence[float],
    texts: Sequence[str],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
) -> None:
    """Write each text beside its point, at the nearest free place; farther ones get a thin line to their point.

    Args:
        axes: finished axes: scales and limits must be set.
        points: (x, y) in data units.
        halves: half the error bar of each point, in units of y.
        texts: what to write.
        lines: the ends of level and upright lines that no text may cross, in data units.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    renderer = figure.canvas.get_renderer()
    pixel = figure.dpi / 72
    taken = []
    for (x, y), half in zip(points, halves, strict=True):
        (cx, low), (_, high) = axes.transData.transform((x, y - half)), axes.transData.transform((x, y + half))
        taken.append(Bbox.from_extents(cx - 5 * pixel, low - 5 * pixel, cx + 5 * pixel, high + 5 * pixel))
    for ends in lines:
        (x0, y0), (x1, y1) = axes.transData.transform(ends)
        taken.append(Bbox.from_extents(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)).padded(1.5 * pixel))
    inside = axes.get_window_extent(renderer)
    # From the right: those near the right edge have the fewest places.
    for number in sorted(range(len(points)), key=lambda i: -points[i][0]):
        best: tuple[float, tuple[float, float], Bbox] | None = None
        for distance in _DISTANCES:
            for angle in _ANGLES:
                offset = (distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle)))
                note = _note(axes, texts[number], points[number], offset, line=False)
                box = note.get_window_extent(renderer)
                note.remove()
                own = box.padded(1.5 * pixel)
                hits = sum(_shared(own, other) for other in taken) + 4 * (own.width * own.height - _shared(own, inside))
                if best is None or hits < best[0] - 1e-9:
                    best = (hits, offset, box)
            if best is not None and best[0] <= 1e-9:
                break
        assert best is not None, "there is at least one place to try"
        _note(axes, texts[number], points[number], best[1], line=math.hypot(*best[1]) > 20)
        taken.append(best[2])


def _note(axes: Any, text: str, point: tuple[float, float], offset: tuple[float, float], *, line: bool) -> Any:
    side = "left" if offset[0] > 1 else "right" if offset[0] < -1 else "center"
    height = "bottom" if offset[1] > 1 else "top" if offset[1] < -1 else "center"
    arrow = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 5} if line else None
    return axes.annotate(text, point, offset, textcoords="offset points", ha=side, va=height, fontsize=9, color=INK,
                         arrowprops=arrow, annotation_clip=False)  # fmt: skip


def _shared(a: Bbox, b: Bbox) -> float:
    """Return the area in which two boxes overlap, in square pixels."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0
