from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from benchmark_rows import row, seven
from drawn import unchanged
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from coldframe.measures import Correlation, pearson
from coldframe.measures.significance import wilson
from coldframe.report.figures import benchmark as trade_offs
from coldframe.report.figures.axes import logarithmic
from coldframe.report.figures.style import new_figure

DRAWN: dict[str, Callable[[list[dict[str, Any]]], Figure | None]] = {
    "accuracy": lambda rows: trade_offs.accuracy_against_latency(rows, "top1"),
    "parameters": trade_offs.latency_against_parameters,
    "time": trade_offs.time_bars,
    "memory": trade_offs.memory_bars,
}


def notes(figure: Figure) -> list[Any]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation) and text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_covers_another_or_leaves_the_figure(name: str) -> None:
    figure = DRAWN[name](seven().rows)
    assert figure is not None
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticklabels() if low <= tick.get_position()[0] <= high] + axes.get_yticklabels()
    texts = [*notes(figure), *(tick for tick in ticks if tick.get_text())]
    boxes = {f"{i} {text.get_text()}": text.get_window_extent(renderer) for i, text in enumerate(texts)}
    assert len(notes(figure)) >= 7
    for (a, box), (b, other) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(other), f"{a} covers {b}"
    for text, box in boxes.items():
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text


def test_names_stay_off_the_front_and_the_error_bars() -> None:
    figure = DRAWN["accuracy"](seven().rows)
    assert figure is not None
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    axes: Any = figure.axes[0]
    front = axes.transData.transform(axes.lines[0].get_xydata())
    for note in notes(figure):
        box = note.get_window_extent(renderer)
        for (x0, y0), (x1, y1) in itertools.pairwise(front):
            crosses = min(x0, x1) < box.x1 and max(x0, x1) > box.x0 and min(y0, y1) < box.y1 and max(y0, y1) > box.y0
            assert not crosses, note.get_text()


def test_a_probe_is_named_and_hollow_and_a_prediction_hatched() -> None:
    rows = seven().rows
    figure, bars = DRAWN["accuracy"](rows), DRAWN["memory"](rows)
    assert figure is not None and bars is not None
    assert "ViT-S/8 (probe)" in [note.get_text() for note in notes(figure)]
    assert "14,337 MiB, predicted; 16 ran" in [note.get_text() for note in notes(bars)]
    assert [bool(patch.get_hatch()) for patch in bars.axes[0].patches] == [False] * 13 + [True]


def test_correlations_and_the_front() -> None:
    rows = seven().rows
    found = trade_offs.correlations([*rows, row("headless", 10, None, 1e6)], "top1")
    expected = pearson([r["latency_ms"] for r in rows], [r["top1"] for r in rows])
    assert found["accuracy_against_latency"] == expected
    assert found["latency_against_parameters"] is not None and found["latency_against_parameters"].n == 8
    assert [r["label"] for r in trade_offs.front(rows, "top1")] == [
        "MobileNetV3-Small", "ResNet18", "DenseNet121", "ViT-B/32", "ViT-S/8",
    ]  # fmt: skip


def test_words() -> None:
    assert trade_offs.correlation_words(Correlation(0.85, 0.27, 0.98, 7)) == "r = 0.85 (95% interval 0.27 to 0.98, n = 7)"
    assert trade_offs.correlation_words(Correlation(0.5, None, None, 3)) == "r = 0.50 (n = 3)"
    assert trade_offs.correlation_words(None) == ""
    assert [trade_offs.mebibytes(v) for v in (1353.75, 0.244, None)] == ["1,354 MiB", "0.2 MiB", "-"]


def test_too_little_to_draw() -> None:
    one = [row("alone", 5, None, 1e6)]
    assert DRAWN["accuracy"](one) is None and DRAWN["parameters"](one) is None
    assert DRAWN["time"](one) is not None and DRAWN["memory"]([]) is None


def test_bars_begin_at_nothing_and_leave_room_behind_the_longest() -> None:
    for name in ("time", "memory"):
        figure = DRAWN[name](seven().rows)
        assert figure is not None
        low, high = figure.axes[0].get_xlim()
        longest = max(patch.get_x() + patch.get_width() for patch in figure.axes[0].patches)  # type: ignore[attr-defined]
        assert low == 0 and 1.1 * longest < high < 2 * longest


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn_as_it_was(name: str) -> None:
    rows = seven().rows
    unchanged(__file__, f"benchmark_{name}", DRAWN[name](rows if name == "accuracy" else [*rows[2:4], rows[-1]]))


def ticks(axis: Any) -> list[str]:
    places = axis.get_major_locator()()
    return [axis.get_major_formatter()(place) for place in places]


def test_marks_are_1_2_and_5_and_of_many_the_powers_of_ten_alone() -> None:
    def marked(low: float, high: float) -> list[str]:
        axes = new_figure(4, 3).add_subplot()
        logarithmic(axes, "x", [low, high], 2.0)
        assert axes.get_xlim() == pytest.approx((low / 2, high * 2)) and axes.get_xscale() == "log"
        assert not len(axes.xaxis.get_minor_locator()())
        return ticks(axes.xaxis)

    assert marked(2, 250) == ["1", "10", "100"], "there would be nine"
    assert marked(2, 100) == ["1", "2", "5", "10", "20", "50", "100", "200"]
    assert marked(0.04, 1000) == ["0.1", "1", "10", "100", "1,000"] and marked(3, 3) == ["2", "5"]
    assert marked(0.002, 0.0025) == ["0.001", "0.002", "0.005"]


def test_few_and_alike_models_leave_room_and_none_too_little() -> None:
    assert DRAWN["accuracy"]([row("a", 10, 0.5, 1e6), row("b", 20, None, 1e6)]) is None
    two = [row("a" * 40, 10, 0.5, 1e6), row("b", 20, 0.5, 2e6, top1_of_probe=True)]
    figure = DRAWN["accuracy"](two)
    assert figure is not None and figure.axes[0].get_ylim() == pytest.approx((49, 51))
    assert sorted(note.get_text() for note in notes(figure)) == ["a" * 19 + "…" + "a" * 10, "b (probe)"]
    given = [each | {"measured_top1": 0.25, "images": 1200} for each in two]
    measured = trade_offs.accuracy_against_latency(given, "measured_top1")
    assert measured is not None
    axes, found = measured.axes[0], wilson(300, 1200)
    assert axes.get_ylabel() == "top-1 on 1,200 images (%; lines 95%)"
    ends = [path.vertices[:, 1].tolist() for path in axes.collections[0].get_paths()]
    assert ends == [pytest.approx([100 * found.low, 100 * found.high])] * 2
    assert axes.get_ylim() == pytest.approx((100 * found.low - 1, 100 * found.high + 1))
    assert "b" in [note.get_text() for note in notes(measured)]
    assert DRAWN["parameters"](two[:1]) is None and DRAWN["parameters"](two) is not None
    assert [trade_offs.mebibytes(value) for value in (9.94, 9.95, 0.04)] == ["9.9 MiB", "10 MiB", "0.0 MiB"]


@pytest.mark.parametrize(("ms", "ends", "shown"), [(4.99 / 1.1, 4.99 * 1.05 * 1.16, "1.5"), (5 / 1.1, 5 * 1.05 * 1.16, "2")])
def test_an_axis_of_times_ends_behind_the_slow_tenth_and_says_fractions_below_five(ms: float, ends: float, shown: str) -> None:
    figure = DRAWN["time"]([row("a", ms, 0.5, 1e6)])
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((0, ends)) and axes.xaxis.get_major_formatter()(1.5) == shown
    spans = [line.get_xdata().tolist() for line in axes.lines]  # type: ignore[union-attr]
    assert spans == [pytest.approx([0.97 * ms, 1.05 * ms]), pytest.approx([0.97 * 1.1 * ms, 1.05 * 1.1 * ms])]
    assert [text.xy[0] for text in notes(figure)] == pytest.approx([1.05 * ms, 1.05 * 1.1 * ms])
    nothing = trade_offs.memory_bars([row("a", ms, 0.5, 1e6, mib=0.0) | {"no_grad_held_mib": 0.0}])
    assert nothing is not None and nothing.axes[0].get_xlim() == pytest.approx((0, 1.16))


def test_long_names_beside_bars_are_cut_to_thirty_letters() -> None:
    for name in ("time", "memory"):
        figure = DRAWN[name]([row("a" * 40, 5, 0.5, 1e6)])
        assert figure is not None and [len(label.get_text()) for label in figure.axes[0].get_yticklabels()] == [30]
