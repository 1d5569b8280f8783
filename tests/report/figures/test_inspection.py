"""Figures of what a model sees: nothing is clipped, empty or out of its range."""

from __future__ import annotations

import numpy as np
from drawn import placed, unchanged
from matplotlib.figure import Figure

from coldframe.report.figures.inspection import differing_figure, filters_figure, maps_sheet, rollout_figure, rows_figure
from coldframe.report.figures.style import as_png

GENERATOR = np.random.default_rng(0)
PICTURE = GENERATOR.integers(0, 256, (32, 32, 3), dtype=np.uint8)
MAPS = GENERATOR.uniform(size=(5, 4, 4)).astype(np.float32)


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]  # type: ignore[arg-type]
    return [text for text in found if text]


def images(figure: Figure) -> int:
    return sum(len(axes.get_images()) for axes in figure.get_axes())


def test_a_row_for_each_layer() -> None:
    rows = {"early": list(MAPS), "late": list(MAPS[:3])}
    titles = {name: [f"map {i}" for i in range(len(maps))] for name, maps in rows.items()}
    figure = rows_figure(PICTURE, rows, titles, heading="Heading", note="A note.")
    assert images(figure) == 1 + 5 + 3
    assert {"Heading", "A note.", "early", "late", "map 4"} <= set(texts(figure))
    assert images(rows_figure(PICTURE, {"many": list(MAPS) * 4}, columns=12)) == 13
    assert as_png(figure, 60)[:4] == b"\x89PNG"


def test_sheets_and_rollout() -> None:
    assert images(maps_sheet({f"block{i}": m for i, m in enumerate(MAPS)}, "Norms")) == 5
    figure = rollout_figure(PICTURE, np.eye(4, dtype=np.float32), "Rollout")
    shown = [axes.get_images()[0].get_array() for axes in figure.get_axes()]
    lit = np.asarray(shown[2], dtype=float)
    assert lit[0, 0].sum() > 0.95 * PICTURE[0, 0].sum() and lit[0, -1].sum() < 0.2 * PICTURE[0, -1].sum()
    whole = np.ones((9, 17, 3), np.float32)
    assert images(filters_figure(whole, "Filters")) == 1


def test_pictures_that_differ() -> None:
    answers = [("rose", "rose", "tulip")] * 7
    figure = differing_figure([("A is right", [PICTURE] * 7, answers), ("B is right", [], [])], ("probe", "knn"))
    assert images(figure) == 7
    assert {"none", "A is right", "B is right", "probe: rose\nknn: tulip"} <= set(texts(figure))


def test_every_figure_is_drawn_as_it_was() -> None:
    rows = {"early": list(MAPS), "late": list(MAPS[:3])}
    titles = {name: [f"map {i}" for i in range(len(maps))] for name, maps in rows.items()}
    answers = [("rose", "rose", "a tulip of a very long name"), ("rose", "tulip", "rose")]
    found = {
        "rows": rows_figure(PICTURE, rows, titles, heading="Heading", note="A note."),
        "row": rows_figure(PICTURE, {"many": list(MAPS) * 3}),
        "maps": maps_sheet({f"block{i}": each for i, each in enumerate(MAPS)}, "Norms", 3),
        "rollout": rollout_figure(PICTURE, np.eye(4, dtype=np.float32), "Rollout"),
        "filters": filters_figure(np.ones((90, 170, 3), np.float32) * 0.25, "Filters"),
        "small_filters": filters_figure(np.zeros((9, 17, 3), np.float32), "Filters"),
        "differing": differing_figure([("A is right", [PICTURE] * 2, answers), ("B is right", [], [])], ("probe", "knn"), 1),
    }
    for name, figure in found.items():
        unchanged(__file__, f"inspection_{name}", figure)


def test_parts_stand_where_they_stood() -> None:
    answers = [("rose", "rose", "tulip")] * 3
    titles = {"early": ["a", "b"]}
    found = {
        "rows": rows_figure(PICTURE, {"early": list(MAPS[:2])}, titles, heading="Heading", note="A note."),
        "differing": differing_figure([("A", [PICTURE] * 3, answers), ("B", [PICTURE], answers[:1])], ("probe", "knn"), 2),
    }
    for name, figure in found.items():
        placed(__file__, f"placed_{name}", figure)
    (title,) = [axes for axes in found["rows"].get_axes() if axes.get_title() == "b"]
    assert title.get_images()[0].get_clim() == (0, 1) and not title.get_xticks().size


def test_at_most_so_many_maps_a_row_and_squares_of_a_twelfth_of_an_inch() -> None:
    for count, drawn in ((1, 3), (2, 3), (3, 3)):
        assert images(rows_figure(PICTURE, {"many": [MAPS[0]] * count}, columns=2)) == min(drawn, count + 1)
    for width, inches in ((53, 4.5), (54, 4.5), (60, 5.0), (108, 9.0), (120, 9.0)):
        figure = filters_figure(np.zeros((width // 2, width, 3), np.float32), "F")
        assert tuple(figure.get_size_inches()) == (inches, inches * (width // 2) / width + 0.45)


def test_long_names_of_classes_and_models_are_cut() -> None:
    figure = differing_figure([("A", [PICTURE], [("t" * 40, "a" * 40, "b" * 40)])], ("p" * 40, "k" * 40), 1)
    (axes,) = figure.get_axes()
    assert len(axes.get_title()) == 20 and [len(line) for line in axes.texts[0].get_text().split("\n")] == [18 + 2 + 20] * 2
