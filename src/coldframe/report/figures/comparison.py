"""The figures of a comparison. Each function returns a figure, or None where the table does not hold what it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from coldframe.files import slug
from coldframe.report.figures.corruptions import corruption_figure
from coldframe.report.figures.labels import place_labels
from coldframe.report.figures.limits import percent_limits
from coldframe.report.figures.models import accuracy_against_latency
from coldframe.report.figures.style import (
    INK,
    MARKERS,
    PALETTE,
    SOFT,
    bars,
    distinct,
    line_plot,
    new_figure,
    shorten,
    style,
)
from coldframe.results.rows import Key
from coldframe.results.verdict import cost, recommended
from coldframe.results.wording import colour

if TYPE_CHECKING:
    from coldframe.results.parts import Detail
    from coldframe.results.results import Results

ALL_CLASSES = 30
"""Up to so many classes are drawn one by one; above, the worst and best, and the most confused pairs."""
ABREAST = 4
"""Small figures in a row."""
WORST, BEST, PAIRS = 15, 5, 15
_TICKS = {
    1e-3: "1 ms",
    1e-2: "10 ms",
    0.1: "0.1 s",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    36000: "10 h",
    360000: "100 h",
}
"""Seconds -> how the axis of training times says them."""


def colours(table: Results) -> dict[Key, str]:
    """Return one colour a line of the table, the same in every figure; known methods keep theirs in every report."""
    lines = table.groups()
    methods = [group.method for group in lines]
    own = {method: place for method in methods if (place := colour(method)) is not None}
    fixed = own if len(set(methods)) == len(methods) else {}
    used = set(fixed.values())
    free = [i for i in range(len(PALETTE)) if i not in used] or list(range(len(PALETTE)))
    found, number = {}, 0
    for group in lines:
        if group.method in fixed:
            found[group.key] = PALETTE[fixed[group.method]]
        else:
            found[group.key] = PALETTE[free[number % len(free)]]
            number += 1
    return found


def markers(table: Results) -> dict[Key, str]:
    """Return one marker a line of the table, the same in every figure."""
    return {group.key: MARKERS[i % len(MARKERS)] for i, group in enumerate(table.groups())}


def main_detail(table: Results) -> Detail | None:
    """Return the details that single figures show: those of the recommended line, else the first."""
    pick = recommended(table)
    first = table.details[0] if table.details else None
    return next((d for d in table.details if pick is not None and d.key == pick.key), first)


def accuracy_against_cost(table: Results) -> Figure | None:
    """Draw top-1 against training time on a logarithmic axis; lines that train nothing stand apart on the left."""
    lines = [g for g in table.groups() if g.mean("top1") is not None and math.isfinite(cost(g)[0])]
    if len(lines) < 2:
        return None
    paint, marks = colours(table), markers(table)
    with style():
        figure = new_figure(7.4, 4.4)
        axes = figure.add_subplot()
        paid = [s for g in lines if (s := cost(g)[0]) > 0]
        low, high = (min(paid), max(paid)) if paid else (1.0, 10.0)
        free = low / 30
        xs = [cost(g)[0] or free for g in lines]
        ys = [100 * (g.mean("top1") or 0.0) for g in lines]
        halves = [100 * g.half_width() for g in lines]
        for g, x, y, half in zip(lines, xs, ys, halves, strict=True):
            axes.errorbar(x, y, yerr=half or None, color=paint[g.key], elinewidth=1.3, capsize=3, markersize=8,
                          marker=marks[g.key], markeredgecolor="white", markeredgewidth=0.8)  # fmt: skip
        axes.set_xscale("log")
        left = free if len(paid) < len(lines) else low
        axes.set_xlim(left / 2.6, high * 5)
        ticks = {t: text for t, text in _TICKS.items() if low / 1.5 <= t <= high * 3} or {low: f"{low:.2g} s"}
        if left == free:
            ticks = {free: "none"} | {t: text for t, text in ticks.items() if t > low / 2}
            axes.axvline(low / 2.4, color=SOFT, linestyle=":", linewidth=1)
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.tick_params(axis="x", which="minor", bottom=False)
        bottom = min(y - h for y, h in zip(ys, halves, strict=True))
        top = max(y + h for y, h in zip(ys, halves, strict=True))
        room = max(1.0, 0.12 * (top - bottom))
        n = min((int(g.rows[0]["n"]) for g in lines if g.rows[0].get("n")), default=None)
        axes.set_ylim(*percent_limits(bottom - room, top + room, n))
        seeds = max(len(g.rows) for g in lines)
        axes.set(xlabel="training time", ylabel="top-1 (%)", title="Accuracy against cost")
        if any(halves):
            over = "images" if seeds == 1 else f"images or {seeds} seeds, the wider"
            axes.set_title(f"bars: 95% interval over {over}", loc="right", fontsize=8.5, fontweight="normal", color=SOFT)
        place_labels(axes, list(zip(xs, ys, strict=True)), halves, [shorten(g.label, 34) for g in lines])
    return figure


def per_class_bars(table: Results) -> Figure | None:
    """Draw the accuracy of each class, worst on top: bars for the recommended line, dots for the others."""
    main = main_detail(table)
    if main is None or not main.per_class:
        return None
    names = distinct(_names(table, len(main.per_class)))
    order = sorted((i for i, v in enumerate(main.per_class) if v is not None), key=lambda i: (main.per_class or [])[i] or 0.0)
    total = len(order)
    if total > ALL_CLASSES:
        order = [*order[:WORST], *order[-BEST:]]
    labels, paint, marks = table.labels(), colours(table), markers(table)
    k = len(main.per_class)
    others = [d for d in table.details if d is not main and d.data == main.data and d.per_class and len(d.per_class) == k]
    places = [len(order) - i - (0.7 if total > ALL_CLASSES and i >= WORST else 0) for i in range(len(order))]
    with style():
        figure = new_figure(7.4, 1.3 + 0.25 * len(order))
        axes = figure.add_subplot()
        axes.barh(places, [100 * (main.per_class[i] or 0.0) for i in order], height=0.66, color=paint.get(main.key, PALETTE[0]),
                  alpha=0.45, label=f"{labels.get(main.key, main.method)} (bars)")  # fmt: skip
        for detail in others:
            values = [(detail.per_class or [])[i] for i in order]
            axes.plot([np.nan if v is None else 100 * v for v in values], places, linestyle="", markersize=5.5,
                      label=labels.get(detail.key, detail.method), color=paint.get(detail.key, INK),
                      marker=marks.get(detail.key, "o"), markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        axes.set_yticks(places, [names[i] for i in order])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 102)
        axes.set_ylim(min(places) - 0.6, max(places) + 0.6)
        title = "Accuracy of each class" if total <= ALL_CLASSES else f"The {WORST} worst and {BEST} best of {total} classes"
        axes.set(xlabel="top-1 (%)", title=title)
        if others:
            figure.legend(loc="outside right upper", fontsize=9)
    return figure


def confusion_figure(table: Results) -> Figure | None:
    """Draw the confusion of the recommended line: a matrix up to 30 classes, above it the most confused pairs."""
    main = main_detail(table)
    if main is None or not main.confusion:
        return None
    counts = np.asarray(main.confusion, dtype=np.int64)
    k = len(counts)
    names, label = distinct(_names(table, k), 18), table.labels().get(main.key, main.method)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if k > ALL_CLASSES:
        pairs = confused_pairs(counts, PAIRS)
        if not pairs:
            return None
        values = {f"{names[i]} → {names[j]}": float(counts[i, j]) for i, j in pairs}
        texts = {f"{names[i]} → {names[j]}": f"{100 * share[i, j]:.0f}% of {counts[i].sum()}" for i, j in pairs}
        return bars(values, title=f"Most often confused: {label}", x_label="answers: true class → taken for", texts=texts)
    with style():
        side = max(3.4, 0.34 * k + 1.6)
        figure = new_figure(side + 1.0, side)
        axes = figure.add_subplot()
        picture = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(k), names, rotation=55 if k > 3 else 0, ha="right" if k > 3 else "center",
                        rotation_mode="anchor" if k > 3 else "default", fontsize=9)  # fmt: skip
        axes.set_yticks(range(k), names, fontsize=9)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for (i, j), value in np.ndenumerate(100 * share):
            if value >= 0.5 and k <= 20:
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if value > 55 else INK)
        axes.set(xlabel="predicted", ylabel="true", title=f"Confusion: {label}")
        figure.colorbar(picture, ax=axes, shrink=0.7, label="% of the true class").outline.set_visible(False)
    return figure


def confused_pairs(counts: Any, most: int) -> list[tuple[int, int]]:
    """Return (true, predicted) of the largest counts off the diagonal, largest first."""
    off = np.array(counts, dtype=np.int64)
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, off.shape), strict=True) if off[i, j] > 0]


def reliability_figure(table: Results) -> Figure | None:
    """Draw accuracy against confidence, one small figure a method; bins of fewer than 10 answers are left out as chance."""
    shown = [(d, kept) for d in table.details if d.reliability and (kept := _filled(d.reliability))]
    if not shown:
        return None
    labels, paint = table.labels(), colours(table)
    wide = min(len(shown), ABREAST)
    deep = math.ceil(len(shown) / wide)
    with style():
        figure = new_figure(0.5 + 2.3 * wide, 0.8 + 2.3 * deep)
        for number, (detail, kept) in enumerate(shown):
            axes = figure.add_subplot(deep, wide, number + 1)
            bins = len((detail.reliability or {})["count"])
            total = sum(n for *_, n in kept)
            for x, y, n in kept:
                axes.bar(x, y, width=92 / bins, color=paint.get(detail.key, INK), alpha=0.25 + 0.75 * min(1.0, 3 * n / total))
            axes.plot([0, 100], [0, 100], color=SOFT, linestyle="--", linewidth=1)
            axes.set(xlim=(0, 100), ylim=(0, 100), xticks=(0, 50, 100), yticks=(0, 50, 100))
            axes.set_aspect("equal")
            axes.set_title(shorten(labels.get(detail.key, detail.method), 24), fontsize=9)
            if number % wide == 0 and number // wide == deep // 2:
                axes.set_ylabel("right that often (%)")
        figure.supxlabel("confidence (%); above the line: too modest, below: too sure", fontsize=9, color=SOFT)
    return figure


def _filled(data: Mapping[str, list[Any]]) -> list[tuple[float, float, int]]:
    bins = zip(data["count"], data["confidence"], data["accuracy"], strict=True)
    return [(100 * c, 100 * a, n) for n, c, a in bins if n >= 10]


def curve_figures(table: Results, kind: str) -> dict[str, Figure]:
    """Return the figures of the details' curves of one kind, by title: a line per method."""
    gathered: dict[str, list[tuple[Detail, Any]]] = {}
    for detail in table.details:
        for curve in detail.curves:
            if curve.kind == kind:
                gathered.setdefault(curve.figure, []).append((detail, curve))
    labels, paint, marks, found = table.labels(), colours(table), markers(table), {}
    for title, members in gathered.items():
        lines, tints, shapes = {}, {}, {}
        for detail, curve in members:
            name = " ".join(part for part in (labels.get(detail.key, detail.method), curve.name) if part)
            lines[name] = (curve.x, curve.y)
            if not curve.name:
                tints[name], shapes[name] = paint.get(detail.key, INK), marks.get(detail.key, "o")
        first = members[0][1]
        found[title] = line_plot(lines, title=title, x_label=first.x_label, y_label=first.y_label,
                                 percent=first.y_label.startswith("top-"), colours=tints, markers=shapes)  # fmt: skip
    return found


def all_figures(table: Results) -> dict[str, Figure]:
    """Return every figure that the table can fill, by the name of its file."""
    found: Mapping[str, Figure | None] = {
        "accuracy_against_cost": accuracy_against_cost(table),
        "accuracy_against_latency": accuracy_against_latency(table.groups(), colours(table), markers(table)),
        "per_class": per_class_bars(table),
        "confusion": confusion_figure(table),
        "reliability": reliability_figure(table),
        **{f"robustness_{_stem(title)}": figure for title, figure in curve_figures(table, "robustness").items()},
        "robustness_by_corruption": corruption_figure(table),
        **{f"training_{_stem(title)}": figure for title, figure in curve_figures(table, "training").items()},
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _stem(title: str) -> str:
    return slug(title.lower().encode("ascii", "ignore").decode(), keep="", between="_")


def _names(table: Results, k: int) -> list[str]:
    names = [str(name) for name in table.about.classes]
    return names if len(names) == k else [f"class {i}" for i in range(k)]
