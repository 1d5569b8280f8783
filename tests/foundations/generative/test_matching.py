"""Distances of codes to the prior: exact where a formula exists, and able to tell shapes apart."""

from __future__ import annotations

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.generative.matching import gaussian_distance, sliced_wasserstein


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_spread_of_two_and_a_shift_have_a_closed_form() -> None:
    codes = normal(500, 3)
    codes = (codes - codes.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(codes.T.cov())).T
    assert gaussian_distance(codes) == pytest.approx(0, abs=1e-9)
    assert gaussian_distance(2 * codes + torch.tensor([1.0, 0, 2])) == pytest.approx(3 + 5, rel=1e-9)


def test_on_a_line_a_shift_is_the_distance() -> None:
    quantiles = torch.special.ndtri((torch.arange(1_000).double() + 0.5) / 1_000)[:, None]
    assert sliced_wasserstein(quantiles) == pytest.approx(0, abs=1e-9)
    assert sliced_wasserstein(quantiles + 0.7) == pytest.approx(0.7, rel=1e-3)


def test_draws_of_the_prior_are_near_and_two_lumps_are_far() -> None:
    lumps = 0.1 * normal(4_000, 2) + torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]).repeat(1_000, 1)
    lumps = lumps / lumps.std(0)
    assert gaussian_distance(lumps) < 0.01
    assert sliced_wasserstein(normal(4_000, 2)) < 0.04 < 0.15 < sliced_wasserstein(lumps)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError, match="1 or more directions"):
        sliced_wasserstein(normal(5, 2), directions=0)
    with pytest.raises(InputError, match="expected codes"):
        sliced_wasserstein(normal(0, 2))
