"""Clouds, flakes and frost: values in range, as rough as asked for, the same for the same draw."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import same_numbers

from coldframe.data import weather


@pytest.mark.parametrize("size", [8, 32, 45, 64])
def test_a_cloud_fills_its_range_and_smooths_with_decay(size: int) -> None:
    rough, smooth = (weather.plasma(size, decay, np.random.default_rng(0)) for decay in (1.3, 3.0))
    for cloud in (rough, smooth):
        assert cloud.shape == (size, size) and cloud.min() >= 0 and cloud.max() <= 1
    if size in (32, 64):  # the whole torus is seen
        assert rough.min() == 0 and rough.max() == 1
    assert np.abs(np.diff(smooth)).mean() < 0.6 * np.abs(np.diff(rough)).mean()


def test_a_cloud_closes_on_itself() -> None:
    cloud = weather.plasma(64, 3.0, np.random.default_rng(3))
    inside, across = np.abs(np.diff(cloud, axis=0)).mean(), np.abs(cloud[0] - cloud[-1]).mean()
    assert across < 4 * inside


def test_flakes_are_few_and_frost_is_icy() -> None:
    layer = weather.flakes(48, (0.1, 0.3, 3, 0.5, 10, 4), np.random.default_rng(0))
    assert layer.shape == (48, 48) and layer.min() >= 0 and layer.max() <= 1 and (layer < 0.1).mean() > 0.5
    ice = weather.frost(48, np.random.default_rng(0))
    assert ice.shape == (48, 48, 3) and ice.dtype == np.float32
    assert ice.mean() == pytest.approx(weather.FROST_MEAN, abs=0.05) and ice[..., 2].mean() > ice[..., 0].mean()
    assert not np.array_equal(ice, weather.frost(48, np.random.default_rng(1)))


def test_the_same_draw_is_the_same_weather() -> None:
    found = {f"plasma {size} {decay}": weather.plasma(size, decay, np.random.default_rng(1))
             for size, decay in ((2, 1.5), (5, 1.4), (16, 2.0), (17, 1.7))}  # fmt: skip
    for values in ((0.1, 0.3, 3, 0.5, 10, 4), (0.5, 0.3, 0.5, 0.4, 2, 1)):
        found[f"flakes {values}"] = weather.flakes(20, values, np.random.default_rng(2))
    for size in (8, 20):
        found[f"frost {size}"] = weather.frost(size, np.random.default_rng(3))
    same_numbers(__file__, "weather", found, 2e-4)
