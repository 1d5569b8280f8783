import math

import numpy as np
import pytest
from scipy import stats

from coldframe.errors import InputError
from coldframe.measures import images_to_decide, mcnemar, paired
from coldframe.measures.pairing import quantile


def test_one_seed_is_the_interval_of_agresti_and_min():
    generator = np.random.default_rng(0)
    a, b = generator.random(150) < 0.9, generator.random(150) < 0.8
    found = paired(a, b)
    only_a, only_b, n = (a & ~b).sum() + 0.5, (~a & b).sum() + 0.5, 152
    centre = (only_a - only_b) / n
    half = stats.t.ppf(0.975, 149) * math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / n) / n
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.n, found.seeds, found.seed_variance, found.p) == (150, 1, 0.0, mcnemar(a, b))


def test_seeds_add_their_variance_and_take_degrees_of_freedom():
    generator = np.random.default_rng(1)
    a = generator.random((3, 400)) < np.array([[0.95], [0.85], [0.90]])
    b = np.tile(generator.random(400) < 0.8, (3, 1))
    found, each, means = paired(a, b), a.mean(0) - b.mean(0), a.mean(1) - b.mean(1)
    images = (np.sum(each**2) + 1 - each.sum() ** 2 / 402) / 402**2
    seeds = np.var(means, ddof=1) / 3
    free = (images + seeds) ** 2 / (images**2 / 399 + seeds**2 / 2)
    half = stats.t.ppf(0.975, math.floor(free)) * math.sqrt(images + seeds)
    assert (found.high - found.low) / 2 == pytest.approx(half)
    assert found.seed_variance == pytest.approx(seeds) and found.image_variance == pytest.approx(images * 402)
    assert found.high - found.low > 1.3 * (paired(a[0], b[0]).high - paired(a[0], b[0]).low), "seeds were not counted"
    assert paired(b, a).high == pytest.approx(-found.low)


def test_runs_of_different_number_add_the_spread_of_each():
    generator = np.random.default_rng(2)
    a, b = generator.random((3, 100)) < 0.9, generator.random((4, 100)) < 0.7
    expected = np.var(a.mean(1), ddof=1) / 3 + np.var(b.mean(1), ddof=1) / 4
    assert paired(a, b).seed_variance == pytest.approx(expected)
    assert paired(a, b[:1]).seed_variance == pytest.approx(np.var(a.mean(1), ddof=1) / 3)


@pytest.mark.parametrize(("n", "within_a_point"), [(20, False), (100, False), (400, True)])
def test_equal_answers_look_equal_only_where_the_images_are_many(n, within_a_point):
    same = np.ones((3, n), dtype=bool)
    found = paired(same, same)
    assert found.value == 0 and found.low == -found.high
    assert (found.high < 0.01) == within_a_point


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    generator, true = np.random.default_rng(3), 0.06
    held = 0
    for _ in range(1000):
        shared = generator.random(120)  # one difficulty an image: the methods fail together
        a, b = (shared + 0.2 * generator.normal(size=(3, 120)) < limit for limit in (5.0, 5.0))
        a, b = a & (generator.random((3, 120)) < 0.90), b & (generator.random((3, 120)) < 0.84)
        found = paired(a, b)
        held += found.low <= true <= found.high
    assert held >= 940


def test_the_interval_stays_in_its_range():
    found = paired([True] * 3, [False] * 3)
    assert found.high == 1.0 and found.low >= -1


@pytest.mark.parametrize("free", [1.0, 2.5, 30.9, 999.0])
def test_quantiles_of_broken_degrees_are_those_below(free):
    assert quantile(0.975, free) == pytest.approx(stats.t.ppf(0.975, math.floor(free)))
    assert quantile(0.975, 1e9) == pytest.approx(stats.norm.ppf(0.975), rel=2e-3)
    assert quantile(0.975, math.inf) == pytest.approx(stats.norm.ppf(0.975))


@pytest.mark.parametrize(("only_a", "only_b"), [(30, 10), (3, 2), (60, 4)])
def test_that_many_images_do_decide(only_a, only_b):
    a = np.arange(300) < 200 + only_a
    b = (np.arange(300) < 200) | (np.arange(300) >= 300 - only_b)
    found = paired(a, b)
    needed = images_to_decide(found, 0.01)
    half = stats.norm.ppf(0.975) * math.sqrt(found.image_variance / needed)
    assert found.value + (half if found.value < 0.01 else -half) == pytest.approx(0.01)
    assert images_to_decide(found, found.value) == math.inf


def test_no_number_of_images_decides_what_the_seeds_leave_open():
    a = np.repeat([[True], [False], [True]], 50, axis=1)
    assert images_to_decide(paired(a, np.ones((3, 50))), 0.01) == math.inf


@pytest.mark.parametrize(("a", "b"), [([True], [True, False]), ([], []), (np.ones((1, 2, 2)), np.ones((1, 2, 2)))])
def test_other_shapes_are_refused(a, b):
    with pytest.raises(InputError, match="same N images"):
        paired(a, b)


def test_a_level_outside_0_and_1_is_refused():
    with pytest.raises(InputError, match="level"):
        paired([True], [True], level=1.0)
