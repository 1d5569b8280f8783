"""The filters of the corruptions against SciPy's, which the product does without."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import same_numbers
from scipy import ndimage

from coldframe.data import filters

PICTURE = np.random.default_rng(0).random((40, 33, 3)).astype(np.float32)
MODES = {"edge": "nearest", "mirror": "mirror", "reflect": "reflect"}


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("sigma", [0.7, 3.0, 30.0])
def test_a_gaussian_blur_is_scipys(border: filters.Border, sigma: float) -> None:
    ours = filters.gaussian(PICTURE, sigma, truncate=3, border=border)
    theirs = ndimage.gaussian_filter(PICTURE, (sigma, sigma, 0), mode=MODES[border], truncate=3)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_a_blur_narrower_than_a_pixel_changes_nothing() -> None:
    assert filters.gaussian(PICTURE, 0.05) is PICTURE
    assert filters.gaussian(PICTURE, 0.0) is PICTURE


@pytest.mark.parametrize("radius", [0.3, 3, 8, 10.5])
def test_a_disc_spreads_light_evenly(radius: float) -> None:
    kernel = filters.disc(radius, 0.5)
    # From 8 on the disc touches the window, where the released code softens it against its own mirror.
    assert kernel.sum() == pytest.approx(1, abs=0.015 if radius >= 8 else 1e-5) and len(kernel) % 2 == 1
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-8)
    theirs = np.stack([ndimage.convolve(PICTURE[..., c], kernel, mode="mirror") for c in range(3)], -1)
    np.testing.assert_allclose(filters.convolve(PICTURE, kernel), theirs, atol=3e-6)


def test_motion_blur_draws_a_spot_out_along_its_angle() -> None:
    spot = np.zeros((31, 31), dtype=np.float32)
    spot[15, 15] = 1
    right = filters.motion_blur(spot, 5, 3, 0)
    assert right.sum() == pytest.approx(1, abs=1e-5)
    assert set(np.flatnonzero(right.sum(1))) == {15} and right[15].argmax() == 15
    weights = np.exp(-0.5 * (np.arange(11) / 3) ** 2)
    np.testing.assert_allclose(right[15, 15:4:-1], weights / weights.sum(), rtol=1e-5)
    down = filters.motion_blur(spot, 5, 3, 90)
    np.testing.assert_allclose(down, right.T, atol=1e-7)


@pytest.mark.parametrize("factor", [1.0, 1.11, 2.0, 4.5])
def test_zoom_is_scipys_cut_to_size(factor: float) -> None:
    picture = PICTURE[:33]  # [33, 33, 3]
    crop = int(np.ceil(33 / factor))
    first = (33 - crop) // 2
    theirs = ndimage.zoom(picture[first : first + crop, first : first + crop], (factor, factor, 1), order=1)
    cut = (len(theirs) - 33) // 2
    np.testing.assert_allclose(filters.zoom(picture, factor), theirs[cut : cut + 33, cut : cut + 33], atol=2e-6)
    np.testing.assert_array_equal(filters.zoom(picture[..., 0], factor), filters.zoom(picture, factor)[..., 0])


@pytest.mark.parametrize("border", ["mirror", "reflect"])
def test_warping_reads_between_pixels_as_scipy_does(border: filters.Border) -> None:
    rows, columns = np.mgrid[:40, :33].astype(np.float64)
    shaken = np.random.default_rng(1).uniform(-5, 5, (2, 40, 33))
    ours = filters.warp(PICTURE, rows + shaken[0], columns + shaken[1], border)
    theirs = ndimage.map_coordinates(PICTURE[..., 1], [rows + shaken[0], columns + shaken[1]], order=1, mode=border)
    np.testing.assert_allclose(ours[..., 1], theirs, atol=2e-6)


def test_folding_at_a_border() -> None:
    places = np.arange(-4, 8)
    assert filters.fold(places, 4, "edge").tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3]
    assert filters.fold(places, 4, "mirror").tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert filters.fold(places, 4, "reflect").tolist() == [3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0]
    assert filters.fold(places, 1, "mirror").tolist() == [0] * 12


def test_a_blur_reaches_four_deviations_and_the_lens_and_motion_are_as_they_were() -> None:
    theirs = ndimage.gaussian_filter(PICTURE, (1.3, 1.3, 0), mode="nearest", truncate=4)
    np.testing.assert_allclose(filters.gaussian(PICTURE, 1.3), theirs, atol=2e-6)
    wide = filters.gaussian(PICTURE, 0.125)
    assert filters.gaussian(PICTURE, 0.1249) is PICTURE and wide is not PICTURE and np.abs(wide - PICTURE).max() < 1e-5
    kernels = {f"disc {radius} {alias}": filters.disc(radius, alias) for radius in (0.4, 3, 8, 8.5) for alias in (0.1, 1.6)}
    blurs = {f"motion {angle} {radius}": filters.motion_blur(PICTURE, radius, 2.5, angle)
             for angle in (-135, -30, 0, 200) for radius in (2, 4.5)}  # fmt: skip
    same_numbers(__file__, "filters", kernels | blurs, 1e-4)
    assert [len(filters.disc(radius, 0.5)) for radius in (3, 8, 8.01, 9.5)] == [17, 17, 19, 21]
    black = np.zeros((12, 12), dtype=np.float32)
    black[5, 5] = 1
    ends = [np.argwhere(filters.motion_blur(black, 2, 9, angle) > 0).min(0).tolist() for angle in (0, 90)]
    assert ends == [[5, 1], [1, 5]]
