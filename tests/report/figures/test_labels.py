from drawn import unchanged
from matplotlib.text import Annotation, Text

from coldframe.report.figures.labels import place_labels
from coldframe.report.figures.style import new_figure, style


def test_points_on_one_spot_still_get_labels_apart():
    with style():
        figure = new_figure(6, 4)
        axes = figure.add_subplot()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        place_labels(axes, [(0.5, 0.5)] * 4, [0.0] * 4, ["one", "two", "three", "four"])
    boxes = [Text.get_window_extent(text) for text in axes.texts if isinstance(text, Annotation)]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_label_at_the_edge_goes_inwards():
    with style():
        figure = new_figure(6, 4)
        axes = figure.add_subplot()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        place_labels(axes, [(0.99, 0.5)], [0.0], ["a rather long name"])
    assert axes.texts[0].get_window_extent().x1 <= axes.get_window_extent().x1


def test_places_lines_and_letters_are_as_they_were():
    points = [(0.5, 0.5), (0.5, 0.52), (0.51, 0.5), (0.99, 0.98), (0.5, 0.05)]
    with style():
        figure = new_figure(4, 3)
        axes = figure.add_subplot()
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        texts = ["one", "a longer name", "three", "at the corner", "at the bottom"]
        place_labels(axes, points, [0.1, 0.0, 0.0, 0.0, 0.0], texts, [((0.0, 0.6), (1.0, 0.6)), ((0.6, 0.0), (0.6, 1.0))])
    unchanged(__file__, "labels", figure)


def test_free_places_are_taken_in_order_and_far_ones_get_a_line():
    def placed_at(points, lines=(), texts=None):
        with style():
            figure = new_figure(6, 4)
            axes = figure.add_subplot()
            axes.set(xlim=(0, 1), ylim=(0, 1))
            place_labels(axes, points, [0.0] * len(points), texts or ["a"] * len(points), lines)
        at = [tuple(round(x, 1) for x in text.xyann) for text in axes.texts]
        return [(each, t.get_ha(), t.get_va(), bool(t.arrow_patch)) for each, t in zip(at, axes.texts, strict=True)]

    assert placed_at([(0.5, 0.5)]) == [((9.0, 0.0), "left", "center", False)]
    assert placed_at([(0.999, 0.5)]) == [((-9.0, 0.0), "right", "center", False)]
    assert placed_at([(0.5, 0.5)], [((0.0, 0.5), (1.0, 0.5))]) == [((0.0, 9.0), "center", "bottom", False)]
    cross = [((0.0, 0.5), (1.0, 0.5)), ((0.5, 0.0), (0.5, 1.0))]
    assert placed_at([(0.5, 0.5)], cross) == [((11.3, 11.3), "left", "bottom", False)]
    crowd = placed_at([(0.5, 0.5)] * 9)
    assert len(set(crowd)) == 9 and any(line for *_, line in crowd)
    for (x, y), _, _, line in crowd:
        assert line == (x * x + y * y > 401) and round((x * x + y * y) ** 0.5) in (9, 16, 26, 38, 52)
