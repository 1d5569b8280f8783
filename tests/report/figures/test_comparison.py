import itertools

import numpy as np
import pytest
from drawn import unchanged
from matplotlib.text import Annotation, Text

from coldframe.report import Table
from coldframe.report.figures.comparison import (
    accuracy_against_cost,
    all_figures,
    colours,
    confused_pairs,
    confusion_figure,
    curve_figures,
    per_class_bars,
)
from coldframe.report.figures.style import as_png

MANY = tuple(f"a long name of a species, number {i}" for i in range(101))


@pytest.mark.parametrize("methods", [("zero-shot", "linear-probe"), ("zero-shot", "prompt-ensemble"), None])
def test_no_label_covers_another_or_leaves_the_figure(make_table, all_methods, methods):
    figure = accuracy_against_cost(make_table(methods or all_methods))
    as_png(figure, dpi=100)
    axes = figure.axes[0]
    boxes = [Text.get_window_extent(text) for text in axes.texts if isinstance(text, Annotation)]
    assert len(boxes) == len(methods or all_methods)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    inside = axes.get_window_extent()
    assert all(inside.x0 <= b.x0 and b.x1 <= inside.x1 and inside.y0 <= b.y0 and b.y1 <= inside.y1 for b in boxes)


def test_what_trains_nothing_stands_left_of_all_others(make_table):
    axes = accuracy_against_cost(make_table()).axes[0]
    assert axes.get_xticklabels()[0].get_text() == "none"


def test_a_method_without_a_training_time_is_drawn_only_if_it_trains_nothing():
    rows = [("zero-shot", None, 0), ("linear-probe", 1.0, 10), ("lora", None, 10), ("fine-tune", 60.0, 99)]
    table = Table([{"method": m, "top1": 0.9, "train_seconds": s, "trainable_parameters": p} for m, s, p in rows])
    names = [text.get_text() for text in accuracy_against_cost(table).axes[0].texts]
    assert sorted(names) == ["fine-tune", "linear probe", "zero-shot"]


def test_colours_are_distinct_and_stay_with_their_method(make_table, all_methods):
    some, every = colours(make_table()), colours(make_table(all_methods))
    assert len(set(every.values())) == 12
    assert all(every[key] == colour for key, colour in some.items())


def test_up_to_thirty_classes_all_are_drawn_and_above_the_extremes(make_table):
    assert len(per_class_bars(make_table()).axes[0].get_yticks()) == 5
    table = make_table(("knn",), n=1200, classes=MANY)
    axes = per_class_bars(table).axes[0]
    assert len(axes.get_yticks()) == 20 and "15 worst and 5 best of 101" in axes.get_title(loc="left")
    lengths = [bar.get_width() for bar in axes.patches]
    assert lengths == sorted(lengths)


def test_confusion_is_a_matrix_for_few_and_pairs_for_many(make_table):
    assert len(confusion_figure(make_table()).axes) == 2
    axes = confusion_figure(make_table(("knn",), n=1200, classes=MANY)).axes[0]
    assert len(axes.patches) == 15
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 15


def test_confused_pairs_leave_out_the_diagonal():
    assert confused_pairs(np.array([[9, 1, 0], [5, 9, 0], [0, 2, 9]]), 2) == [(1, 0), (2, 1)]
    assert confused_pairs(np.eye(3), 5) == []


def test_curves_of_one_title_are_drawn_together(make_table):
    (figure,) = curve_figures(make_table(), "robustness").values()
    assert len(figure.axes[0].lines) == 5


@pytest.mark.parametrize(("methods", "seeds", "n"), [(("linear-probe",), 1, 8), (("zero-shot",), 1, 40), (None, 1, 300)])
def test_every_figure_of_odd_tables_can_be_drawn(make_table, all_methods, methods, seeds, n):
    found = all_figures(make_table(methods or all_methods, seeds=seeds, n=n))
    assert "per_class" in found and ("accuracy_against_cost" in found) == (methods is None)
    assert all(as_png(figure, dpi=30) for figure in found.values())


def test_a_table_without_details_has_no_figures():
    assert all_figures(Table([{"method": "knn", "top1": 0.5}])) == {}


def test_the_other_methods_stand_as_points_at_their_accuracy_of_each_class(make_table):
    table = make_table()
    axes = per_class_bars(table).axes[0]
    barred = str(axes.containers[0].get_label())
    others = [d for d in table.details if barred != f"{table.labels()[d.key]} (bars)"]
    assert len(others) == len(table.details) - 1
    places = [label.get_text() for label in axes.get_yticklabels()]
    drawn = {tuple(np.nan_to_num(line.get_xdata(), nan=-1).round(6)) for line in axes.lines}
    names = table.about.classes
    expected = {
        tuple(round(100 * d.per_class[names.index(name)], 6) if d.per_class[names.index(name)] is not None else -1
              for name in places)
        for d in others
    }  # fmt: skip
    assert drawn == expected


def test_every_figure_is_drawn_as_it_was(make_table):
    for name, figure in all_figures(make_table(("zero-shot", "linear-probe", "knn"), n=120)).items():
        unchanged(__file__, name, figure)
    many = all_figures(make_table(("knn", "linear-probe"), seeds=1, n=400, classes=MANY))
    for name in ("accuracy_against_cost", "per_class", "confusion"):
        unchanged(__file__, f"{name}_of_many_classes", many[name])
