import itertools

import numpy as np
import pytest
from drawn import placed, unchanged
from matplotlib.text import Annotation, Text

from coldframe.report import About, Detail, Table
from coldframe.report.figures.comparison import (
    accuracy_against_cost,
    all_figures,
    colours,
    confused_pairs,
    confusion_figure,
    curve_figures,
    per_class_bars,
    reliability_figure,
)
from coldframe.report.figures.style import INK, as_png

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


def costing(*lines: tuple[str, float, float, dict[str, object]]) -> Table:
    """Return a table of (method, top-1, training seconds, more) lines, each of one seed."""
    return Table([
        {"method": name, "top1": top1, "train_seconds": seconds, "trainable_parameters": int(seconds > 0)} | more
        for name, top1, seconds, more in lines
    ])  # fmt: skip


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the names beside points out: finding a place for them takes the longest."""
    monkeypatch.setattr("coldframe.report.figures.comparison.place_labels", lambda *words: None)


@pytest.mark.usefixtures("unnamed")
def test_times_are_marked_in_words_from_a_millisecond_to_a_hundred_hours() -> None:
    axes = accuracy_against_cost(costing(("a", 0.5, 0.0015, {}), ("b", 0.6, 120_000.0, {}))).axes[0]
    words = (label.get_text() for label in axes.get_xticklabels())
    assert dict(zip(axes.get_xticks(), words, strict=True)) == {
        0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h",
        36000: "10 h", 360000: "100 h",
    }  # fmt: skip
    short = accuracy_against_cost(costing(("a", 0.5, 0.00151, {}), ("b", 0.6, 119_999.0, {}))).axes[0]
    assert list(short.get_xticks()) == [0.01, 0.1, 1, 10, 60, 600, 3600, 36000]
    between = accuracy_against_cost(costing(("a", 0.5, 130.0, {}), ("b", 0.6, 199.0, {}))).axes[0]
    assert [label.get_text() for label in between.get_xticklabels()] == ["1.3e+02 s"] and list(between.get_xticks()) == [130.0]


@pytest.mark.usefixtures("unnamed")
def test_what_trains_nothing_stands_beside_a_line_and_an_axis_of_a_second_to_ten() -> None:
    axes = accuracy_against_cost(costing(("zero-shot", 0.5, 0.0, {}), ("prompt-ensemble", 0.6, 0.0, {}))).axes[0]
    assert list(axes.get_xticks()) == pytest.approx([1 / 30, 1, 10])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "1 s", "10 s"]
    assert axes.get_xlim() == pytest.approx((1 / 78, 50)) and not axes.get_title(loc="right")
    mixed = accuracy_against_cost(costing(("zero-shot", 0.5, 0.0, {}), ("a", 0.6, 2.0, {}), ("b", 0.6, 20.0, {}))).axes[0]
    assert list(mixed.get_xticks()) == pytest.approx([2 / 30, 10, 60]) and mixed.get_xlim() == pytest.approx((2 / 78, 100))
    assert mixed.lines[-1].get_xdata()[0] == pytest.approx(2 / 2.4)
    assert accuracy_against_cost(costing(("a", 0.5, 1.0, {}))) is None


def test_the_axis_of_accuracy_leaves_room_and_shows_ten_images(make_table) -> None:
    near = accuracy_against_cost(costing(("a", 0.500, 1.0, {}), ("b", 0.501, 2.0, {}))).axes[0]
    assert near.get_ylim() == pytest.approx((45.05, 55.05))
    wide = accuracy_against_cost(costing(("a", 0.2, 1.0, {}), ("b" * 40, 0.7, 2.0, {}))).axes[0]
    assert wide.get_ylim() == pytest.approx((14.0, 76.0)) and max(len(text.get_text()) for text in wide.texts) == 34
    edge = accuracy_against_cost(costing(("a", 1.0, 1.0, {"n": 40}), ("b", 1.0, 2.0, {"n": 20}))).axes[0]
    assert edge.get_ylim() == pytest.approx((54.0, 104.0))


def confused(k: int) -> Table:
    counts = np.full((k, k), 1)
    np.fill_diagonal(counts, 100)
    counts[0, 1], counts[1, :2] = 0, (113, 87)
    about = About(classes=tuple(f"class {i}" for i in range(k)))
    return Table([{"method": "knn", "top1": 0.5}], about=about, details=[Detail("knn", confusion=counts.tolist())])


@pytest.mark.parametrize(("k", "side", "turned", "numbers"), [
    (3, 3.4, 0, 7), (4, 3.4, 55, 13), (6, 3.64, 55, 31), (20, 8.4, 55, 381), (21, 8.74, 55, 0),
])  # fmt: skip
def test_a_matrix_grows_with_its_classes_and_loses_its_numbers_above_twenty(
    k: int, side: float, turned: int, numbers: int
) -> None:
    figure = confusion_figure(confused(k))
    assert tuple(figure.get_size_inches()) == pytest.approx((side + 1, side))
    axes, label = figure.axes[0], figure.axes[0].get_xticklabels()[0]
    assert (label.get_rotation(), label.get_ha(), label.get_rotation_mode()) == (
        turned, "right" if turned else "center", "anchor" if turned else "default",
    )  # fmt: skip
    assert len(axes.texts) == numbers
    shown = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    if k == 4:
        assert (1, 0) not in shown and (2, 1) not in shown and shown[1, 1] == ("43", INK) and shown[0, 1] == ("56", "white")


def test_bins_of_ten_answers_are_drawn_four_figures_abreast() -> None:
    bins = {"count": [9, 10, 30], "confidence": [0.2, 0.5, 0.9], "accuracy": [0.1, 0.4, 0.8]}
    names = [f"m{i}" for i in range(6)]
    table = Table([{"method": name, "top1": 0.5} for name in names], details=[Detail(name, reliability=bins) for name in names])
    figure = reliability_figure(table)
    assert tuple(figure.get_size_inches()) == pytest.approx((9.7, 5.4))
    assert [axes.get_subplotspec().get_geometry()[:3] for axes in figure.axes] == [(2, 4, i) for i in range(6)]
    assert [bool(axes.get_ylabel()) for axes in figure.axes] == [False] * 4 + [True, False]
    first = figure.axes[0].patches
    assert [bar.get_height() for bar in first] == [40, 80]
    assert [bar.get_x() for bar in first] == pytest.approx([50 - 46 / 3, 90 - 46 / 3])
    assert [bar.get_alpha() for bar in first] == pytest.approx([0.25 + 0.75 * 0.75, 1.0])
    table.details = [Detail("m0", reliability={"count": [9], "confidence": [0.5], "accuracy": [0.5]})]
    assert reliability_figure(table) is None


def test_confusion_and_reliability_stand_where_they_stood(make_table) -> None:
    table = make_table(("zero-shot", "linear-probe", "knn"), n=120)
    placed(__file__, "placed_confusion", confusion_figure(table))
    placed(__file__, "placed_reliability", reliability_figure(table))


def test_long_names_of_methods_and_classes_are_cut() -> None:
    name, bins = "m" * 50, {"count": [10], "confidence": [0.5], "accuracy": [0.4]}
    figure = reliability_figure(Table([{"method": name, "top1": 0.5}], details=[Detail(name, reliability=bins)]))
    assert len(figure.axes[0].get_title(loc="left")) == 24
    about = About(classes=("a" * 40, "b", "c"))
    detail = Detail("knn", confusion=[[1, 0, 0]] * 3)
    figure = confusion_figure(Table([{"method": "knn", "top1": 0.5}], about=about, details=[detail]))
    assert [len(label.get_text()) for label in figure.axes[0].get_xticklabels()] == [18, 1, 1]


@pytest.mark.parametrize("k", [30, 31])
def test_thirty_classes_are_the_most_that_are_drawn_one_by_one(k: int) -> None:
    about = About(classes=tuple(f"c{i}" for i in range(k)))
    share = [i / k for i in range(k)]
    details = [
        Detail("knn", per_class=share, confusion=np.ones((k, k), int).tolist()), Detail("a", per_class=share),
        Detail("b", per_class=share, data="other"), Detail("c", per_class=share[1:]), Detail("d"),
    ]  # fmt: skip
    table = Table([{"method": name, "top1": 0.5} for name in ("knn", "a", "b", "c", "d")], about=about, details=details)
    axes = per_class_bars(table).axes[0]
    title = "Accuracy of each class" if k == 30 else "The 15 worst and 5 best of 31 classes"
    assert axes.get_title(loc="left") == title and len(axes.lines) == 1
    places = [float(place) for place in axes.get_yticks()]
    assert places == ([30.0 - i for i in range(30)] if k == 30 else [20 - i - 0.7 * (i >= 15) for i in range(20)])
    assert axes.get_xlim() == (0, 102) and axes.get_ylim() == pytest.approx((min(places) - 0.6, max(places) + 0.6))
    assert bool(confusion_figure(table).axes[0].images) == (k == 30)
    table.details[0].per_class = [None, *share[1:]]
    assert len(per_class_bars(table).axes[0].get_yticks()) == (29 if k == 30 else 30)
