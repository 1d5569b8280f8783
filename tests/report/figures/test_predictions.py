"""Pictures over their most probable classes."""

from __future__ import annotations

import numpy as np
from drawn import unchanged

from coldframe.report.figures.predictions import prediction_figure

TOP = [("a class whose name is far too long", 0.9), ("rose", 0.096), ("tulip", 0.004)]


def test_pictures_bars_and_shares_are_drawn_as_they_were() -> None:
    small, large = np.full((8, 8, 3), 9, np.uint8), np.full((80, 60, 3), 200, np.uint8)
    figure = prediction_figure([small, large, small], [TOP, TOP[1:], TOP], ["one", "two", "three"], heading="H", columns=2)
    unchanged(__file__, "predictions", figure)
    unchanged(__file__, "predictions_plain", prediction_figure([small] * 5, [TOP[:1]] * 5))
