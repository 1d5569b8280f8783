"""Filters as colours by the exercise's formula, and a sheet that keeps each filter in its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import unchanged

from coldframe.foundations.convnet.drawing import as_pictures, curves, filters_sheet
from coldframe.foundations.convnet.fitting import Fit
from coldframe.foundations.convnet.networks import Small


def test_colours_follow_the_formula_for_each_filter_alone() -> None:
    weight = torch.randn(5, 3, 7, 7) * torch.tensor([1e-3, 1, 10, 0, 5]).view(5, 1, 1, 1)
    found = as_pictures(weight)
    assert found.shape == (5, 7, 7, 3) and found.min() >= 0 and found.max() <= 1
    one = weight[2].double().numpy()
    np.testing.assert_allclose(found[2].transpose(2, 0, 1), one / (2 * (np.abs(one).max() + 1e-4)) + 0.5)
    assert (found[3] == 0.5).all()


def test_figures_hold_both_sheets_and_every_line() -> None:
    network = Small(10)
    fit = Fit(network, 0, torch.zeros_like(network.first), train_loss=[2.0, 1.0])
    before, after = filters_sheet(fit, "filters").axes
    left, right = (axes.get_images()[0].get_array() for axes in (before, after))
    assert left.shape == right.shape == (4 * 8 - 1, 8 * 8 - 1, 3)
    assert np.unique(left).tolist() == [0.5, 1.0]
    np.testing.assert_allclose(right[8:15, 8:15], as_pictures(network.first)[9])
    lines = curves({"a": [fit, fit], "b": [fit]}, "loss").axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[2.0, 1.0]] * 2


def test_every_figure_is_drawn_as_it_was() -> None:
    network = Small(10)
    ramp = torch.linspace(-1, 1, network.first.numel()).view_as(network.first)
    network.first.data.copy_(ramp)
    fit, other = Fit(network, 0, ramp / 2, train_loss=[2.0, 1.0]), Fit(network, 1, ramp, train_loss=[3.0, 1.5])
    unchanged(__file__, "filters", filters_sheet(fit, "filters"))
    unchanged(__file__, "curves", curves({"a": [fit, other], "b": [fit]}, "loss"))


def test_up_to_twenty_four_filters_stand_in_rows_of_six() -> None:
    network = Small(10)
    for count, lines, columns in ((24, 4, 6), (20, 4, 6), (25, 4, 8)):
        figure = filters_sheet(Fit(network, 0, torch.zeros(count, 3, 7, 7)), "filters")
        assert figure.axes[0].get_images()[0].get_array().shape == (lines * 8 - 1, columns * 8 - 1, 3)
        assert figure.get_size_inches()[1] == pytest.approx(0.75 + 4.1 * lines / columns)
