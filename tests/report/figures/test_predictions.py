"""Pictures over their most probable classes."""

from __future__ import annotations

import numpy as np
from drawn import placed, unchanged
from matplotlib.backends.backend_agg import FigureCanvasAgg

from coldframe.report.figures.predictions import prediction_figure

TOP = [("a class whose name is far too long", 0.9), ("rose", 0.096), ("tulip", 0.004)]


def test_pictures_bars_and_shares_are_drawn_as_they_were() -> None:
    small, large = np.full((8, 8, 3), 9, np.uint8), np.full((80, 60, 3), 200, np.uint8)
    figure = prediction_figure([small, large, small], [TOP, TOP[1:], TOP], ["one", "two", "three"], heading="H", columns=2)
    unchanged(__file__, "predictions", figure)
    unchanged(__file__, "predictions_plain", prediction_figure([small] * 5, [TOP[:1]] * 5))


def test_borders_of_what_is_smoothed_cut_and_said() -> None:
    def drawn(side: int, name: str, value: float) -> tuple[str, str]:
        figure = prediction_figure([np.zeros((side, 8, 3), np.uint8)], [[(name, value)]])
        return figure.axes[0].get_images()[0].get_interpolation(), figure.axes[1].texts[0].get_text()

    assert drawn(64, "a" * 26, 0.005) == ("nearest", f"{'a' * 26}  0%")
    assert drawn(65, "a" * 27, 0.0049) == ("antialiased", f"{'a' * 25}…  < 1%")
    assert drawn(8, "b", 0.0)[1] == "b  0%" and drawn(8, "b", 0.5)[1] == "b  50%"


def test_pictures_and_bars_stand_where_they_stood() -> None:
    small = np.zeros((8, 8, 3), np.uint8)
    figure = prediction_figure([small] * 3, [TOP, TOP[1:], TOP], heading="H", columns=2)
    FigureCanvasAgg(figure)
    placed(__file__, "placed_predictions", figure)
