"""Codes of the manifold and of interpolations."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.generative.codes import interpolate, manifold_codes


def test_the_grid_takes_the_percentiles_of_the_prior() -> None:
    codes = manifold_codes(4)
    axis = [NormalDist().inv_cdf((i + 0.5) / 4) for i in range(4)]
    assert codes.shape == (16, 2)
    assert codes[:4, 0].tolist() == pytest.approx(axis, rel=1e-6)
    assert codes[::4, 1].tolist() == pytest.approx(axis[::-1], rel=1e-6)
    assert codes[:4, 1].unique().numel() == 1
    assert torch.equal(manifold_codes(1), torch.zeros(1, 2))


@pytest.mark.parametrize(("n", "latent", "message"), [(20, 20, "2 latent dimensions .*, found 20"), (0, 2, "found n=0")])
def test_what_has_no_grid_is_refused(n: int, latent: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        manifold_codes(n, latent)


def test_interpolation_is_a_straight_line_with_both_ends() -> None:
    found = interpolate(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 0.0]), 5)
    assert found.tolist() == [[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]]
    start, end = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert interpolate(start, end, 2).shape == (3, 2, 4)
    assert torch.equal(interpolate(start, end, 2)[:, 1], end)
    with pytest.raises(InputError, match="2 or more steps, found 1"):
        interpolate(start, end, 1)
    with pytest.raises(InputError, match="one shape"):
        interpolate(start, end[0])
