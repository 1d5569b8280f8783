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
from coldframe.report.figures import benchmark as trade_offs

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
