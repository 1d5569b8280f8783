"""Halves of intervals against what the measure does on images that are drawn again one by one."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.measures import ece
from coldframe.measures.abstaining import aurc
from coldframe.measures.calibration import class_ece
from coldframe.measures.resampling import aurc_half, class_ece_half, ece_half

RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.full(3, 0.7), size=150)
Y = RNG.integers(0, 3, 150)


@pytest.mark.parametrize(("half", "measure"), [(ece_half, ece), (class_ece_half, class_ece), (aurc_half, aurc)])
def test_a_half_is_the_spread_over_draws(half, measure) -> None:
    draws = [measure(P[rows], Y[rows]) for rows in RNG.integers(0, 150, (400, 150))]
    assert half(P, Y) == pytest.approx(1.96 * np.std(draws), rel=0.2)
