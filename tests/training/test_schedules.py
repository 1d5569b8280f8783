from __future__ import annotations

import math
from itertools import pairwise

import pytest

from coldframe.errors import InputError
from coldframe.training import factor


@pytest.mark.parametrize("total", [1, 7, 100])
def test_schedules_are_their_closed_forms(total: int) -> None:
    for step in range(total):
        t = step / total
        assert factor("constant", step, total) == 1
        assert factor("linear", step, total) == pytest.approx(1 - t)
        assert factor("cosine", step, total) == pytest.approx((1 + math.cos(math.pi * t)) / 2)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_climbs_to_the_peak_and_the_rest_falls_from_it(schedule: str) -> None:
    rates = [factor(schedule, step, 20, warmup=4) for step in range(20)]  # type: ignore[arg-type]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4] == 1.0
    assert all(later <= sooner for sooner, later in pairwise(rates[4:]))
    if schedule != "constant":
        assert rates[12] == pytest.approx(0.5) and 0 < rates[19] < 0.1


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(InputError, match="expected a schedule of constant, cosine, linear, found 'step'"):
        factor("step", 0, 10)  # type: ignore[arg-type]


def test_one_step_and_a_warm_up_to_the_end() -> None:
    assert factor("linear", 0, 0) == 1.0 and factor("linear", 4, 4, warmup=4) == 1.0 and factor("constant", 0, 2, 1) == 1.0
