import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.measures import pareto, pearson


def test_pearson_agrees_with_numpy_and_fisher() -> None:
    x, y = [1.0, 2.0, 4.0, 7.0, 11.0], [2.0, 1.0, 5.0, 4.0, 9.0]
    found = pearson(x, y)
    assert found is not None and found.low is not None and found.high is not None
    assert found.r == pytest.approx(np.corrcoef(x, y)[0, 1]) and found.n == 5
    assert found.low < found.r < found.high <= 1
    # r = 0.85 over 7 models, by hand: tanh(1.2562 -+ 0.9800)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=7), rng.normal(size=7)
    a = (a - a.mean()) / np.linalg.norm(a - a.mean())
    b = b - b.mean() - a * (a @ (b - b.mean()))
    seven = pearson(a, 0.85 * a + np.sqrt(1 - 0.85**2) * b / np.linalg.norm(b))
    assert seven is not None and (seven.r, seven.low, seven.high) == pytest.approx((0.85, 0.2695, 0.9774), abs=1e-3)


def test_what_determines_no_correlation() -> None:
    assert pearson([1, 2], [1, 2]) is None and pearson([1, 1, 1], [1, 2, 3]) is None
    three = pearson([1, 2, 3], [1, 3, 2])
    assert three is not None and three.low is None
    with pytest.raises(InputError, match="3 and 2"):
        pearson([1, 2, 3], [1, 2])


def test_pareto_front() -> None:
    assert pareto([5, 1, 3, 4], [0.8, 0.5, 0.7, 0.6]) == [1, 2, 0]
    assert pareto([1, 1, 1], [0.5, 0.9, 0.9]) == [1, 2]
    assert pareto([2, 1], [0.5, 0.5]) == [1]
    assert pareto([], []) == []


def test_three_points_have_no_interval_and_a_line_has_none_either() -> None:
    three, four = pearson([1, 2, 3], [1, 3, 2]), pearson([1, 2, 3, 4], [1, 3, 2, 3])
    assert three is not None and three.high is None and four is not None and four.low is not None and four.high is not None
    assert (four.low, four.high) == pytest.approx(np.tanh(np.arctanh(four.r) + np.array([-1.959964, 1.959964])))
    for sign in (1, -1):
        line = pearson([1, 2, 4, 8], [sign * x for x in (1, 2, 4, 8)])
        assert line is not None and line.r == sign and (line.low, line.high) == (None, None)
    assert pearson([1, 2, 3], [2, 2, 2]) is None
