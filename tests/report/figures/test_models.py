from __future__ import annotations

from typing import Any

import pytest
from drawn import unchanged
from matplotlib.text import Annotation

from coldframe.report import Table
from coldframe.report.figures.comparison import all_figures


def table(*lines: tuple[str, str, float, float | None], **more: Any) -> Table:
    """Return a table of (method, model, top-1, milliseconds) lines."""
    return Table([
        {"method": method, "model": model, "data": "d", "top1": top1, "latency_ms": ms, "n": 400, "seed": 0} | more
        for method, model, top1, ms in lines
    ])  # fmt: skip


THREE = (
    ("knn", "lite0", 0.7, 20.0), ("gda", "lite0", 0.8, 21.0), ("knn", "pocket", 0.6, 5.0), ("ridge", "pocket", 0.5, 5.0),
    ("gda", "timm:resnet18@a/b.pt", 0.75, 40.0),
)  # fmt: skip


def test_the_best_line_of_each_model_stands_at_its_latency() -> None:
    figure = all_figures(table(*THREE))["accuracy_against_latency"]
    axes = figure.axes[0]
    points = {(line.get_xdata()[0], round(line.get_ydata()[0], 6)) for line in axes.lines if len(line.get_xdata()) == 1}  # type: ignore[index,arg-type]
    assert {y for _, y in points} >= {80.0, 60.0, 75.0} and {x for x, _ in points} == {21.0, 5.0, 40.0}
    right = axes.get_xlim()[1]
    front = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert list(front.get_xdata()) == pytest.approx([5, 5, 21, 21, right])  # resnet18 is slower and worse than lite0
    assert list(front.get_ydata()) == pytest.approx([60, 60, 60, 80, 80])
    names = {text.get_text() for text in axes.texts if isinstance(text, Annotation)}
    assert names == {"GDA · lite0", "nearest neighbours · pocket", "GDA · resnet18"}
    unchanged(__file__, "models", figure)


@pytest.mark.parametrize(("lines", "more"), [
    (THREE[:2], {}), ((*THREE[:1], ("knn", "pocket", 0.6, None)), {}), (THREE[:3], {"data": "e"}),
], ids=["one model", "a latency that nobody measured", "two data sets"])  # fmt: skip
def test_without_two_models_of_one_data_set_there_is_none(lines: Any, more: dict[str, Any]) -> None:
    found = table(*lines)
    if more:
        found = Table([*found.rows, *table(*lines, **more).rows])
    assert "accuracy_against_latency" not in all_figures(found)
