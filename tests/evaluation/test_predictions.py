"""The list of every answer, an image a line."""

from __future__ import annotations

import numpy as np
from fakes import pictures

from coldframe.data.base import Split
from coldframe.evaluation.predictions import predictions_csv


def test_a_line_has_the_probability_and_the_margin_to_the_second() -> None:
    split = Split("test", pictures(2), np.array([1, 0]), ("a", "b", "c"))
    text = predictions_csv(split, np.array([[0.25, 0.5, 0.125], [0.125, 0.25, 0.625]], dtype=np.float32), "d")
    assert text.splitlines() == [
        "path,true,predicted,probability,margin,correct", "picture 0,b,b,0.500000,0.250000,true",
        "picture 1,a,c,0.625000,0.375000,false",
    ]  # fmt: skip
    alone = Split("test", pictures(1), np.array([0]), ("a",))
    (_, line) = predictions_csv(alone, np.ones((1, 1), dtype=np.float32), "d").splitlines()
    assert line == "picture 0,a,a,1.000000,1.000000,true"
