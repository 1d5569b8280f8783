"""Which model: top-1 against the time of one image, for comparisons of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.figure import Figure

from coldframe.measures.trade_off import pareto
from coldframe.report.figures.axes import logarithmic
from coldframe.report.figures.labels import place_labels
from coldframe.report.figures.limits import percent_limits
from coldframe.report.figures.style import PALETTE, SOFT, new_figure, shorten, style
from coldframe.results.rows import Group, Key


def best_of_models(lines: Sequence[Group]) -> list[Group]:
    """Return the line of the highest top-1 for each model, models in order of first appearance."""
    best: dict[str, Group] = {}
    for line in lines:
        top1 = line.mean("top1")
        if top1 is None or line.mean("latency_ms") is None:
            continue
        if line.model not in best or top1 > (best[line.model].mean("top1") or 0.0):
            best[line.model] = line
    return list(best.values())


def accuracy_against_latency(
    lines: Sequence[Group], colours: Mapping[Key, str], markers: Mapping[Key, str]
) -> Figure | None:
    """Draw the best line of each model, with the Pareto front: what no other beats in both.

    None below two models, and where lines are of several data sets.

    Args:
        lines: of a table.
        colours: of each line.
        markers: of each line.
    """
    best = best_of_models(lines)
    if len(best) < 2 or len({line.data for line in lines}) > 1:
        return None
    xs = [line.mean("latency_ms") or 0.0 for line in best]
    ys = [100 * (line.mean("top1") or 0.0) for line in best]
    halves = [100 * line.half_width() for line in best]
    order = pareto(xs, ys)
    with style():
        figure = new_figure(7.4, 4.4)
        axes = figure.add_subplot()
        logarithmic(axes, "x", xs, 2.2)
        right = axes.get_xlim()[1]
        steps_x = [x for i in order for x in (xs[i], xs[i])] + [right]
        steps_y = [y for at, i in enumerate(order) for y in (ys[order[max(at - 1, 0)]], ys[i])] + [ys[order[-1]]]
        axes.plot(steps_x, steps_y, color=PALETTE[2], linewidth=1.3, linestyle="--", zorder=1,
                  label="Pareto front: nothing is both faster and more accurate")  # fmt: skip
        for line, x, y, half in zip(best, xs, ys, halves, strict=True):
            axes.errorbar(x, y, yerr=half or None, color=colours[line.key], elinewidth=1.3, capsize=3, markersize=8,
                          marker=markers[line.key], markeredgecolor="white", markeredgewidth=0.8)  # fmt: skip
        bottom, top = min(y - h for y, h in zip(ys, halves, strict=True)), max(y + h for y, h in zip(ys, halves, strict=True))
        room = max(1.0, 0.12 * (top - bottom))
        axes.set_ylim(*percent_limits(bottom - room, top + room))
        axes.set(xlabel="latency (ms per image)", ylabel="top-1 (%)", title="The best line of each model")
        if any(halves):
            bars = "bars: 95% interval over images or seeds, the wider"
            axes.set_title(bars, loc="right", fontsize=8.5, fontweight="normal", color=SOFT)
        figure.legend(loc="outside lower left", fontsize=8.5)
        corners = list(pairwise(zip(steps_x, steps_y, strict=True)))
        place_labels(axes, list(zip(xs, ys, strict=True)), halves, [shorten(line.label, 34) for line in best], corners)
    return figure
