import pytest

from coldframe.report.figures.limits import percent_limits


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [
        (50.0, 80.0, 1000, (50.0, 80.0)),
        (89.5, 90.5, None, (85.0, 95.0)),
        (94.0, 95.0, 20, (54.0, 104.0)),
        (99.0, 100.0, 1000, (94.0, 104.0)),
        (-9.0, 120.0, None, (-4.0, 104.0)),
        (0.0, 1.0, 1000, (-4.0, 5.5)),
    ],
)
def test_ten_points_or_ten_images_are_always_seen(low, high, n, expected):
    assert percent_limits(low, high, n) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [
        (40.0, 50.0, None, (40.0, 50.0)),
        (40.0, 49.5, None, (39.75, 49.75)),
        (100.0, 106.0, 50, (84.0, 104.0)),
        (-6.0, -5.0, None, (-4.0, -0.5)),
        (104.0, 106.0, 1000, (94.0, 104.0)),
        (60.0, 104.5, None, (59.5, 104.0)),
    ],
)
def test_ends_and_their_bounds(low, high, n, expected):
    assert percent_limits(low, high, n) == pytest.approx(expected)
