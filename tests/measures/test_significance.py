import math

import numpy as np
import pytest
from drawn import same_numbers
from scipy import stats

from coldframe.errors import InputError
from coldframe.measures import interval, mcnemar, paired_bootstrap, t_quantile, wilson


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 9, 30, 101])
@pytest.mark.parametrize("p", [0.001, 0.3, 0.5, 0.9, 0.975, 0.9995])
def test_t_quantile_agrees_with_scipy(p, df):
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-12)


def test_interval_agrees_with_scipy():
    values = [0.91, 0.93, 0.95, 0.92]
    found = interval(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.half == pytest.approx((high - low) / 2)


def test_one_seed_has_no_interval_and_equal_seeds_no_width():
    assert interval([0.5]).half is None
    assert interval([0.1, 0.1, 0.1]).half == 0


def test_bootstrap_agrees_with_drawing_items_one_by_one():
    generator = np.random.default_rng(0)
    a, b = generator.random((3, 300)) < 0.9, generator.random((2, 300)) < 0.8
    found = paired_bootstrap(a, b)
    each = a.mean(0) - b.mean(0)
    draws = each[generator.integers(0, 300, size=(4000, 300))].mean(1)
    assert found.difference == pytest.approx(each.mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.004)
    assert found.n == 300 and found.apart and found.p is None


def test_bootstrap_is_repeatable_and_turns_round():
    generator = np.random.default_rng(1)
    a, b = generator.random(200) < 0.9, generator.random(200) < 0.85
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b, generator=0)
    assert paired_bootstrap(a, b, resamples=99) != paired_bootstrap(a, b, resamples=99, generator=1)
    assert paired_bootstrap(b, a).difference == -paired_bootstrap(a, b).difference


def test_identical_answers_have_no_difference():
    same = np.array([True, False, True])
    found = paired_bootstrap(same, same)
    assert (found.difference, found.low, found.high, found.apart) == (0, 0, 0, False)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        right = generator.random((2, 400)) < [[0.85], [0.80]]
        found = paired_bootstrap(right[0], right[1], resamples=800, generator=generator)
        held += found.low <= 0.05 <= found.high
    assert 0.90 <= held / 300 <= 0.985


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 3), (1, 8), (40, 60), (900, 1100), (0, 3000)])
def test_mcnemar_agrees_with_scipy(only_a, only_b):
    a = np.array([True] * only_a + [False] * only_b + [True] * 5)
    b = np.array([False] * only_a + [True] * only_b + [True] * 5)
    total = only_a + only_b
    expected = stats.binomtest(only_a, total).pvalue if total else 1.0
    assert mcnemar(a, b) == pytest.approx(expected, rel=1e-9)
    assert math.isfinite(mcnemar(a, b))


def test_different_items_are_refused():
    with pytest.raises(InputError, match="same N items"):
        paired_bootstrap(np.ones(3), np.ones(4))
    with pytest.raises(InputError, match="two arrays"):
        mcnemar(np.ones(3), np.ones(4))


def test_intervals_end_where_the_number_does() -> None:
    cut = interval([0.99, 1.0, 0.95], least=0.0, most=1.0)
    whole = interval([0.99, 1.0, 0.95])
    assert whole.high is not None and whole.high > 1 and cut.high == 1.0
    assert cut.low == whole.low and cut.half == pytest.approx(whole.half)
    spent = interval([0.1, 3.0], least=0.0)
    assert spent.low == 0.0 and spent.high is not None and spent.high > 3


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (99, 1000), (1000, 1000)])
def test_wilson_is_the_published_interval_and_lies_within_its_bounds(right: int, n: int) -> None:
    found, expected = wilson(right, n), stats.binomtest(right, n).proportion_ci(method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-12) and found.high == pytest.approx(expected.high, abs=1e-12)
    assert found.low is not None and found.high is not None and 0 <= found.low <= right / n <= found.high <= 1


def test_a_bootstrap_is_the_same_each_time_and_odd_arguments_are_refused() -> None:
    a, b = np.arange(60) % 5 > 0, np.arange(60) % 3 > 0
    found = paired_bootstrap(a, b)
    wide = paired_bootstrap(np.stack([a, b]), b, level=0.99)
    plain, two = [found.difference, found.low, found.high, found.p], [wide.difference, wide.low, wide.high]
    same_numbers(__file__, "bootstrap", {"plain": plain, "two runs": two}, 1e-6)
    for wrong in ({"resamples": 0}, {"level": 0.0}, {"level": 1.0}):
        with pytest.raises(InputError, match="expected resamples >= 1 and 0 < level < 1"):
            paired_bootstrap(a, b, **wrong)
    for p, df in ((0.0, 1), (1.0, 1), (0.5, 0)):
        with pytest.raises(InputError, match="expected 0 < p < 1 and df >= 1"):
            t_quantile(p, df)
    for right, n, level in ((-1, 3, 0.9), (4, 3, 0.9), (1, 0, 0.9), (1, 3, 0.0), (1, 3, 1.0)):
        with pytest.raises(InputError, match="expected 0 <= right <= n"):
            wilson(right, n, level)
