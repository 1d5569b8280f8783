"""The solvers against scikit-learn's, at several regularisers, and against the closed form."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.errors import SolverWarning
from coldframe.methods import solvers
from coldframe.methods.linear_probe import LOGISTIC_GRID, LinearProbe


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


def test_a_solution_that_is_not_reached_says_so() -> None:
    x, y = problem()
    (found,) = solvers.logistic_path(x * 1e3, y, 5, [1e-6], solvers.Basis.of(x * 1e3), most_steps=30)
    assert found.left > solvers.TOLERANCE
    (found,) = solvers.logistic_path(x, y, 5, [1e-2], solvers.Basis.of(x))
    assert 0 <= found.left <= solvers.TOLERANCE


@pytest.mark.parametrize("apart", [1.0, 6.0], ids=["mixed", "separable"])
@pytest.mark.parametrize("scaling", ["unit", "standard", "plain", "twentyfold", "a thousandth"])
def test_every_l2_of_the_path_agrees_with_scikit_learn_at_every_scale(scaling: str, apart: float) -> None:
    generator = torch.Generator().manual_seed(1)
    centres, y = torch.randn(4, 10, generator=generator), torch.arange(200) % 4
    x = 3.0 + torch.logspace(0, -2, 10) * (apart * centres[y] + torch.randn(200, 10, generator=generator))
    factor = {"twentyfold": 20.0, "a thousandth": 1e-3}.get(scaling, 1.0)
    x = functional.normalize(x, dim=-1) if scaling == "unit" else x * factor
    x = (x - x.mean(0)) / x.std(0) if scaling == "standard" else x
    train, test = x[:120], x[120:]
    path = solvers.logistic_path(train, y[:120], 4, LOGISTIC_GRID, solvers.Basis.of(train))
    for l2, found in zip(LOGISTIC_GRID, path, strict=True):
        other = LogisticRegression(C=1 / (120 * l2), tol=1e-10, max_iter=1000, solver="newton-cholesky")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its last step may round; what it found is judged by the loss below
            other.fit(train.double().numpy(), y[:120].numpy())
        theirs = torch.from_numpy(other.coef_), torch.from_numpy(other.intercept_)
        loss = logistic_loss(train.double(), y[:120], *theirs, l2)
        ours = logistic_loss(train.double(), y[:120], found.weight.double(), found.bias.double(), l2)
        assert ours <= loss * (1 + 5e-4), f"l2 {l2:.1e}: {ours:.3e} for {loss:.3e}"
        scores = torch.from_numpy(other.decision_function(test.double().numpy()))
        margin = scores.topk(2).values.diff().abs().flatten() / scores.abs().max()
        same = found(test).argmax(-1).numpy() == other.predict(test.double().numpy())
        assert same[margin.numpy() > 1e-3].all(), f"l2 {l2:.1e}: other predictions"


def test_logistic_solution_has_no_gradient_left() -> None:
    x, y = problem()
    x = x.double()
    (found,) = solvers.logistic_path(x, y, 5, [1e-2], solvers.Basis.of(x), tolerance=1e-12)
    weight, bias = found.weight.requires_grad_(), found.bias.requires_grad_()
    (functional.cross_entropy(x @ weight.T + bias, y) + 0.5e-2 * weight.square().sum()).backward()
    assert weight.grad is not None and weight.grad.abs().max() < 1e-6
    assert bias.grad is not None and bias.grad.abs().max() < 1e-6


@pytest.mark.parametrize("start", [False, True])
def test_with_a_prior_the_penalty_pulls_to_it(start: bool) -> None:
    x, y = problem()
    x, generator = x.double(), torch.Generator().manual_seed(1)
    prior = solvers.Linear(torch.randn(5, 12, generator=generator).double(), torch.randn(5, generator=generator).double())
    begin = solvers.Linear(prior.weight + 1, prior.bias) if start else None
    (near,) = solvers.logistic_path(x, y, 5, [1e9], solvers.Basis.of(x), prior=prior, start=prior, most_steps=0)
    torch.testing.assert_close(near.weight, prior.weight, atol=1e-6, rtol=0)  # which a prior is from itself before any step
    path = solvers.logistic_path(x, y, 5, [1e6, 1e-2], solvers.Basis.of(x), tolerance=1e-10, prior=prior, start=begin)
    held, found = list(path)
    torch.testing.assert_close(held.weight, prior.weight, atol=1e-5, rtol=0)
    for l2, linear in ((1e6, held), (1e-2, found)):
        error = (linear(x).softmax(-1) - functional.one_hot(y, 5)) / len(x)
        torch.testing.assert_close(error.sum(0), torch.zeros(5).double(), atol=1e-5, rtol=0)
        slope = error.T @ x + l2 * (linear.weight - prior.weight)
        assert float(slope.norm()) <= math.sqrt(2 * l2 * 1e-4)  # what is left is at most slope^2 / (2 l2)


def test_without_an_intercept_the_priors_stays() -> None:
    x, y = problem()
    x, generator = x.double(), torch.Generator().manual_seed(1)
    prior = solvers.Linear(torch.randn(5, 12, generator=generator).double(), torch.randn(5, generator=generator).double())
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    basis = solvers.Basis(x.new_zeros(12), vectors, values)
    for given, bias in ((prior, prior.bias), (None, torch.zeros(5).double())):
        begin = solvers.Linear(prior.weight, prior.bias + 1)  # whose bias is not taken
        (found,) = solvers.logistic_path(x, y, 5, [1e-2], basis, tolerance=1e-8, prior=given, intercept=False, start=begin)
        torch.testing.assert_close(found.bias, bias)
        error = (found(x).softmax(-1) - functional.one_hot(y, 5)) / len(x)
        away = found.weight - (0 if given is None else given.weight)
        assert float((error.T @ x + 1e-2 * away).norm()) < 1e-3


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


def test_a_probe_that_is_not_solved_warns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(solvers, "TOLERANCE", -1.0)  # nothing is near enough
    probe = LinearProbe(TinyBackbone(), l2=1e-2)
    with pytest.warns(SolverWarning, match="linear probe on tiny:0 with l2 0.01 was not solved to the end: the loss may be"):
        probe.fit(coloured(12, 0, "train"), cold=ColdPass(Store(tmp_path)))
    assert "not solved to the end" in probe.choices
