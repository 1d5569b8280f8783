"""The solvers against scikit-learn's, at several regularisers, and against the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn import functional

from coldframe.methods import solvers


def problem(n: int = 240, d: int = 12, k: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(k, d, generator=generator)
    y = torch.randint(k, (n,), generator=generator)
    scale = torch.logspace(0, -2, d)  # badly conditioned on purpose
    return ((centres[y] + 1.5 * torch.randn(n, d, generator=generator)) * scale + 3.0), y


def logistic_loss(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, l2: float) -> float:
    return float(functional.cross_entropy(x @ weight.T + bias, y) + 0.5 * l2 * weight.square().sum())


@pytest.mark.parametrize("k", [2, 5])
def test_logistic_path_reaches_the_minimum_that_scikit_learn_finds(k: int) -> None:
    x, y = problem(k=k)
    l2s = [1e-1, 1e-3, 1e-5]
    for l2, found in zip(l2s, solvers.logistic_path(x, y, k, l2s, solvers.Basis.of(x)), strict=True):
        other = LogisticRegression(C=1 / (len(x) * l2), tol=1e-10, max_iter=20_000).fit(x.double().numpy(), y.numpy())
        ours = logistic_loss(x.double(), y, found.weight.double(), found.bias.double(), l2)
        weight, bias = torch.from_numpy(other.coef_), torch.from_numpy(other.intercept_)
        if k == 2:  # scikit-learn learns the difference of two classes; half of it each is the same function, least norm
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
            assert ours <= logistic_loss(x.double(), y, weight, bias, l2) + 1e-6
        else:
            theirs = logistic_loss(x.double(), y, weight, bias, l2)
            assert ours == pytest.approx(theirs, rel=1e-4)
            assert ours <= theirs * (1 + 1e-4)


def test_logistic_solution_has_no_gradient_left() -> None:
    x, y = problem()
    x = x.double()
    (found,) = solvers.logistic_path(x, y, 5, [1e-2], solvers.Basis.of(x), tolerance=1e-8, most_steps=500)
    weight, bias = found.weight.requires_grad_(), found.bias.requires_grad_()
    (functional.cross_entropy(x @ weight.T + bias, y) + 0.5e-2 * weight.square().sum()).backward()
    assert weight.grad is not None and weight.grad.abs().max() < 1e-6
    assert bias.grad is not None and bias.grad.abs().max() < 1e-6


def test_basis_of_other_features_changes_the_speed_and_not_the_solution() -> None:
    x, y = problem()
    own = next(solvers.logistic_path(x, y, 5, [1e-3], solvers.Basis.of(x)))
    other = next(solvers.logistic_path(x, y, 5, [1e-3], solvers.Basis.of(x[:100])))
    assert logistic_loss(x, y, own.weight, own.bias, 1e-3) == pytest.approx(
        logistic_loss(x, y, other.weight, other.bias, 1e-3), rel=1e-4
    )


@pytest.mark.parametrize("l2", [1e-3, 1.0])
def test_ridge_path_equals_scikit_learn(l2: float) -> None:
    x, y = problem()
    x = x.double()
    (found,) = solvers.ridge_path(x, y, 5, [l2], solvers.Basis.of(x))
    other = Ridge(alpha=len(x) * l2).fit(x.numpy(), functional.one_hot(y, 5).double().numpy())
    np.testing.assert_allclose(found.weight.numpy(), other.coef_, atol=1e-9)
    np.testing.assert_allclose(found.bias.numpy(), other.intercept_, atol=1e-8)


def test_temperature_finds_the_factor_that_was_taken_away() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(20_000, 6, generator=generator)
    y = torch.distributions.Categorical(logits=logits).sample()
    assert solvers.temperature(logits / 7, y) == pytest.approx(7, rel=0.05)
    assert math.isfinite(solvers.temperature(logits * 0, y))


@pytest.mark.parametrize("l2", [1e-3, 1.0])
def test_more_features_than_items_have_the_same_solution(l2: float) -> None:
    x, y = problem(n=60, d=12)
    wide = torch.cat([x, torch.randn(60, 90, generator=torch.Generator().manual_seed(1))], dim=1).double()
    assert len(wide) < wide.shape[1]
    (found,) = solvers.ridge_path(wide, y, 5, [l2], solvers.Basis.of(wide))
    other = Ridge(alpha=len(wide) * l2).fit(wide.numpy(), functional.one_hot(y, 5).double().numpy())
    np.testing.assert_allclose(found.weight.numpy(), other.coef_, atol=1e-9)
    np.testing.assert_allclose(found.bias.numpy(), other.intercept_, atol=1e-8)
