"""Halves of intervals against what the measure does on images that are drawn again one by one."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import same_numbers

from coldframe.measures import ece, resampling
from coldframe.measures.abstaining import aurc
from coldframe.measures.calibration import class_ece
from coldframe.measures.resampling import aurc_half, class_ece_half, ece_half, half, weights

RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.full(3, 0.7), size=150)
Y = RNG.integers(0, 3, 150)


@pytest.mark.parametrize(("spread", "measure"), [(ece_half, ece), (class_ece_half, class_ece), (aurc_half, aurc)])
def test_a_half_is_the_spread_over_draws(spread, measure) -> None:
    draws = [measure(P[rows], Y[rows]) for rows in RNG.integers(0, 150, (400, 150))]
    assert spread(P, Y) == pytest.approx(1.96 * np.std(draws), rel=0.2)


def test_the_draws_are_fixed_so_that_an_interval_is_the_same_each_time() -> None:
    p = np.random.default_rng(1).dirichlet(np.full(3, 0.7), size=40)
    y = np.random.default_rng(2).integers(0, 3, 40)
    drawn = weights(40)
    assert drawn.shape == (200, 40) and (drawn.sum(1) == 40).all() and not (weights(40, seed=1) == drawn).all()
    assert half(np.array([0.0, 2.0])) == 1.96
    found = {"ece": ece_half(p, y), "class ece": class_ece_half(p, y), "aurc": aurc_half(p, y), "weights": drawn[:3]}
    same_numbers(__file__, "resampling", found, 1e-5)


def test_draws_are_fewer_where_images_and_classes_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(n: int, draws: int = 200) -> np.ndarray:
        seen.append(draws)
        return weights(n, draws)

    monkeypatch.setattr(resampling, "weights", counted)
    for work in (1e9, 150 * 3 * 50, 1):
        monkeypatch.setattr(resampling, "_WORK", work)
        class_ece_half(P, Y)
    assert seen == [200, 50, 20]
