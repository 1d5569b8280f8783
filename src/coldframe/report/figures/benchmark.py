"""The figures of a benchmark: accuracy against latency, latency against parameters, and what recording gradients costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from coldframe.measures.significance import wilson
from coldframe.measures.trade_off import Correlation, pareto, pearson
from coldframe.report.figures.axes import logarithmic
from coldframe.report.figures.labels import place_labels
from coldframe.report.figures.style import FAINT, INK, MARKERS, PALETTE, SOFT, new_figure, shorten, style
from coldframe.results import wording
from coldframe.types import Row

Line = tuple[tuple[float, float], tuple[float, float]]
"""The two ends of a line, in data units."""
WITHOUT, WITH = PALETTE[0], PALETTE[1]
"""Colours of no_grad and of gradients on."""


def correlation_words(found: Correlation | None) -> str:
    """Return ``r = 0.85 (95% interval 0.27 to 0.98, n = 7)``; empty without a correlation."""
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"r = {found.r:.2f} (n = {found.n})"
    return f"r = {found.r:.2f} (95% interval {found.low:.2f} to {found.high:.2f}, n = {found.n})"


def correlations(rows: Sequence[Row], accuracy: str) -> dict[str, Correlation | None]:
    """Return Pearson's r of accuracy against latency, and of latency against parameters."""
    known = [row for row in rows if row[accuracy] is not None]
    return {
        "accuracy_against_latency": pearson([r["latency_ms"] for r in known], [r[accuracy] for r in known]),
        "latency_against_parameters": pearson([r["parameters"] for r in rows], [r["latency_ms"] for r in rows]),
    }


def front(rows: Sequence[Row], accuracy: str) -> list[Row]:
    """Return the rows that no other beats in both accuracy and latency, fastest first."""
    known = [row for row in rows if row[accuracy] is not None]
    return [known[i] for i in pareto([r["latency_ms"] for r in known], [r[accuracy] for r in known])]


def accuracy_against_latency(rows: Sequence[Row], accuracy: str) -> Figure | None:
    """Draw top-1 against latency with the Pareto front; a hollow marker is the accuracy of a probe. None below two points."""
    known = [row for row in rows if row[accuracy] is not None]
    if len(known) < 2:
        return None
    xs, ys = [row["latency_ms"] for row in known], [100 * row[accuracy] for row in known]
    best = front(rows, accuracy)
    with style():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        steps_x = [v for row in best for v in (row["latency_ms"], row["latency_ms"])]
        steps_y = [100 * v for i, row in enumerate(best) for v in (best[max(i - 1, 0)][accuracy], row[accuracy])]
        logarithmic(axes, "x", xs, 1.9)
        right = axes.get_xlim()[1]
        axes.plot([*steps_x, right], [*steps_y, steps_y[-1]], color=PALETTE[2], linewidth=1.3, linestyle="--", zorder=1,
                  label="Pareto front: nothing is both faster and more accurate")  # fmt: skip
        y_label, ends = "top-1 on ImageNet, published (%)", list[tuple[float, float]]()
        if accuracy == "measured_top1":
            y_label = f"top-1 on {known[0]['images']:,} images (%; lines 95%)"
            found = [wilson(row[accuracy] * row["images"], row["images"]) for row in known]
            ends = [(100 * (each.low or 0.0), 100 * (each.high or 0.0)) for each in found]
            axes.vlines(xs, [low for low, _ in ends], [high for _, high in ends], SOFT, linewidth=1, zorder=1)
        for place, row in enumerate(known):
            _point(axes, row, xs[place], ys[place], place, probe=row["top1_of_probe"] and accuracy == "top1")
        lowest, highest = min([*ys, *(low for low, _ in ends)]), max([*ys, *(high for _, high in ends)])
        room = max(1.0, 0.14 * (highest - lowest))
        axes.set_ylim(lowest - room, highest + room)
        axes.set(xlabel=_latency_words(known), ylabel=y_label, title="Accuracy against latency")
        _aside(axes, correlation_words(correlations(rows, accuracy)["accuracy_against_latency"]))
        figure.legend(loc="outside lower left", fontsize=8.5)
        names = [row["label"] + (" (probe)" if row["top1_of_probe"] and accuracy == "top1" else "") for row in known]
        corners = [*zip(steps_x, steps_y, strict=True), (right, steps_y[-1])]
        spans = [((r["latency_p10_ms"], y), (r["latency_p90_ms"], y)) for r, y in zip(known, ys, strict=True)]
        spans += [((x, low), (x, high)) for x, (low, high) in zip(xs, ends, strict=False)]
        _names(axes, xs, ys, names, [*pairwise(corners), *spans])
    return figure


def latency_against_parameters(rows: Sequence[Row]) -> Figure | None:
    """Draw latency against the number of parameters, both on logarithmic axes. None below two points."""
    if len(rows) < 2:
        return None
    xs, ys = [row["parameters"] / 1e6 for row in rows], [row["latency_ms"] for row in rows]
    with style():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        logarithmic(axes, "x", xs, 1.9)
        logarithmic(axes, "y", ys, 1.7)
        for place, row in enumerate(rows):
            _point(axes, row, xs[place], ys[place], place, probe=False, upright=True)
        axes.set(xlabel="parameters (millions)", ylabel=_latency_words(rows), title="Latency against parameters")
        _aside(axes, correlation_words(correlations(rows, "top1")["latency_against_parameters"]))
        spans = [((x, r["latency_p10_ms"]), (x, r["latency_p90_ms"])) for r, x in zip(rows, xs, strict=True)]
        _names(axes, xs, ys, [row["label"] for row in rows], spans)
    return figure


def time_bars(rows: Sequence[Row]) -> Figure | None:
    """Draw latency with and without recording gradients, a pair of bars a model."""
    pairs = [(row["latency_ms"], row["gradients_ms"]) for row in rows]
    texts = [tuple(wording.milliseconds(value) for value in pair) for pair in pairs]
    spans = [
        ((row["latency_p10_ms"], row["latency_p90_ms"]), (row["gradients_p10_ms"], row["gradients_p90_ms"])) for row in rows
    ]
    return _paired(rows, pairs, texts, spans, title="Time of a forward pass", x_label=_latency_words(rows))


def memory_bars(rows: Sequence[Row]) -> Figure | None:
    """Draw the memory held with and without recording gradients; hatched bars are predictions, the batch did not fit."""
    pairs, texts, hatched = [], [], []
    for row in rows:
        pair, words, predicted = [], [], []
        for mode in ("no_grad", "gradients"):
            reduced = row[f"{mode}_memory_batch"] < row["memory_batch"]
            value = row[f"{mode}_{'predicted' if reduced else 'held'}_mib"]
            pair.append(value)
            words.append(mebibytes(value) + (f", predicted; {row[f'{mode}_memory_batch']} ran" if reduced else ""))
            predicted.append(reduced)
        pairs.append((pair[0], pair[1]))
        texts.append(tuple(words))
        hatched.append((predicted[0], predicted[1]))
    batches = "/".join(str(batch) for batch in dict.fromkeys(row["memory_batch"] for row in rows))
    x_label = f"memory held by the output of a forward pass (MiB, batch {batches})"
    return _paired(rows, pairs, texts, None, title="Memory of a forward pass", x_label=x_label, hatched=hatched)


def mebibytes(value: float | None) -> str:
    """Return an amount of memory given in MiB: ``1,354 MiB``, ``0.2 MiB``."""
    if value is None:
        return wording.DASH
    return f"{value:,.0f} MiB" if value >= 9.95 else f"{value:.1f} MiB"


def _paired(
    rows: Sequence[Row],
    pairs: Sequence[tuple[float, float]],
    texts: Sequence[tuple[str, ...]],
    spans: Sequence[tuple[tuple[float, float], tuple[float, float]]] | None,
    *,
    title: str,
    x_label: str,
    hatched: Sequence[tuple[bool, bool]] | None = None,
) -> Figure | None:
    """Draw two horizontal bars a model: no_grad above, gradients on below it."""
    if not rows:
        return None
    with style():
        figure = new_figure(7.6, 1.3 + 0.56 * len(rows))
        axes = figure.add_subplot()
        for number in range(len(rows)):
            for part, colour in enumerate((WITHOUT, WITH)):
                value, place = pairs[number][part], len(rows) - number - 0.2 + 0.4 * (0.5 - part)
                predicted = hatched is not None and hatched[number][part]
                axes.barh(place, value, height=0.36, color=FAINT if predicted else colour, edgecolor=colour,
                          hatch="////" if predicted else None, linewidth=0.8)  # fmt: skip
                end = value
                if spans is not None:
                    low, high = spans[number][part]
                    axes.plot([low, high], [place, place], color=INK, linewidth=1.1, solid_capstyle="butt")
                    end = max(value, high)
                axes.annotate(texts[number][part], (end, place), (5, 0), textcoords="offset points", va="center",
                              fontsize=8.5, color=SOFT)  # fmt: skip
        axes.set_yticks([len(rows) - i - 0.2 for i in range(len(rows))], [shorten(row["label"], 30) for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(0.3, len(rows) + 0.3)
        largest = max(max(pair) for pair in pairs) or 1.0
        farthest = max((high for pair in spans or () for _, high in pair), default=largest)
        wide = any("predicted" in text for pair in texts for text in pair)
        axes.set_xlim(0, max(largest, farthest) * (1.45 if wide else 1.16))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if largest >= 5 else f"{value:g}")
        axes.set(title=title, xlabel=x_label)
        handles = [_swatch(WITHOUT, False), _swatch(WITH, False)]
        names = ["no_grad", "gradients on"]
        if hatched is not None and any(any(pair) for pair in hatched):
            handles.append(_swatch(WITH, True))
            names.append("predicted")
        figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _swatch(colour: str, hatched: bool) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=FAINT if hatched else colour, edgecolor=colour, hatch="////" if hatched else None)


def _point(axes: Any, row: Row, x: float, y: float, number: int, *, probe: bool, upright: bool = False) -> None:
    colour = PALETTE[number % len(PALETTE)]
    span = [[row["latency_ms"] - row["latency_p10_ms"]], [row["latency_p90_ms"] - row["latency_ms"]]]
    axes.errorbar(x, y, **{"yerr" if upright else "xerr": span}, color=colour, elinewidth=1.2, markersize=8,
                  marker=MARKERS[number % len(MARKERS)], markerfacecolor="white" if probe else (colour, 0.55),
                  markeredgecolor=colour, markeredgewidth=1.3)  # fmt: skip


def _names(axes: Any, xs: Sequence[float], ys: Sequence[float], names: Sequence[str], lines: Sequence[Line]) -> None:
    place_labels(axes, list(zip(xs, ys, strict=True)), [0.0] * len(xs), [shorten(name, 30) for name in names], lines)


def _aside(axes: Any, text: str) -> None:
    axes.set_title(text, loc="right", fontsize=8.5, fontweight="normal", color=SOFT)


def _latency_words(rows: Sequence[Row]) -> str:
    batches = "/".join(str(batch) for batch in dict.fromkeys(row["batch"] for row in rows))
    if rows[0].get("quiet"):
        return f"processor time (ms per image, batch {batches}, one thread)"
    return f"latency (ms per image, batch {batches}; lines p10 to p90)"
