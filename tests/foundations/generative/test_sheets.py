"""Sheets of pictures: every picture in its place, and figures of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import unchanged

from coldframe.errors import InputError
from coldframe.foundations.generative.sheets import interpolation_figure, manifold_figure, mosaic, samples_figure, sheet_figure
from coldframe.foundations.generative.vae import VAE


def test_a_mosaic_holds_every_picture_in_reading_order() -> None:
    pictures = torch.arange(5).view(5, 1, 1).expand(5, 2, 3) / 5
    sheet = mosaic(pictures, columns=3, gap=1)
    assert sheet.shape == (5, 11)
    np.testing.assert_allclose([sheet[0, 0], sheet[0, 4], sheet[0, 8], sheet[3, 0], sheet[4, 6]], np.arange(5) / 5, rtol=1e-6)
    assert (sheet[2] == 1).all()
    assert (sheet[3:, 8:] == 1).all()
    with pytest.raises(InputError, match=r"found \[0, 2, 3\]"):
        mosaic(pictures[:0])


def test_figures_show_what_the_decoder_gives() -> None:
    model = VAE(2, channels=2)
    pictures, figure = samples_figure(model, 9, seed=3)
    expected = model.decode(torch.randn(9, 2, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(pictures, expected)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), mosaic(expected))
    pictures, _ = manifold_figure(model, 3)
    assert torch.equal(pictures[4:5], model.decode(torch.zeros(1, 2)))
    codes = torch.eye(2)
    shown = interpolation_figure(model, codes, codes.flip(0), 4).axes[0].images[0].get_array()
    assert shown is not None
    assert shown.shape == (58, 118)


def test_a_manifold_of_twenty_dimensions_and_no_samples_are_refused() -> None:
    with pytest.raises(InputError, match="found 20; train one with --latent 2"):
        manifold_figure(VAE(20, channels=2))
    with pytest.raises(InputError, match="1 or more samples, found n=0"):
        samples_figure(VAE(2, channels=2), 0)


def test_sheets_are_drawn_as_they_were() -> None:
    pictures = torch.arange(5).view(5, 1, 1).expand(5, 6, 8) / 5
    unchanged(__file__, "sheet", sheet_figure(pictures, 2, title="T", note="N", rows=("a", "b", "c"), size=1.4))
    unchanged(__file__, "plain_sheet", sheet_figure(pictures))
    model = VAE(2, channels=2)
    # What an untrained decoder draws is checked above; here it is grey, so that no digit depends on the machine.
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    unchanged(__file__, "manifold", manifold_figure(model, 5)[1])
    unchanged(__file__, "manifold_of_40", manifold_figure(model, 40)[1])
    assert len(samples_figure(model)[0]) == 64 and len(manifold_figure(model)[0]) == 400
    shown = interpolation_figure(model, torch.eye(2), torch.eye(2)).axes[0].images[0].get_array()
    assert shown is not None and shown.shape == (2 * 30 - 2, 12 * 30 - 2)


def test_sizes_follow_the_number_of_pictures() -> None:
    model = VAE(2, channels=2)
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    width, height = manifold_figure(model)[1].get_size_inches()
    side = 7.5 / 20 * (20 * 30 - 2) / 28
    assert (width, height) == pytest.approx((side + 0.1, side + 0.5))
    assert mosaic(torch.zeros(5, 4, 4)).shape == (2 * 6 - 2, 3 * 6 - 2) and mosaic(torch.zeros(2, 4, 4), 9).shape == (
        4,
        2 * 6 - 2,
    )
