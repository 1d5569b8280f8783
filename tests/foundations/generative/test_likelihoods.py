"""Likelihoods over grey levels: proper distributions, right numbers, right gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from coldframe.errors import InputError
from coldframe.foundations.generative.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretisedLogistic,
    Likelihood,
    draw,
    expected_grey,
    likelihood,
)

KINDS: list[Likelihood] = [Categorical(), Categorical(3), Bernoulli(), DiscretisedLogistic(), DiscretisedLogistic(256)]


def raw_of(kind: Likelihood, size: float = 2.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return size * torch.randn(2, kind.outputs, 4, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_probabilities_of_all_levels_sum_to_one(kind: Likelihood) -> None:
    log_p = kind.log_probabilities(raw_of(kind))
    assert log_p.shape == (2, kind.levels, 4, 4)
    assert torch.allclose(log_p.exp().sum(dim=1), torch.ones(2, 4, 4, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nats_are_minus_the_log_probability_of_the_level(kind: Likelihood) -> None:
    raw = raw_of(kind)
    x = torch.randint(0, kind.levels, (2, 4, 4), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    picked = kind.log_probabilities(raw).gather(1, x[:, None].long())
    assert torch.allclose(kind.nats(raw, x), -picked.flatten(1).sum(dim=1), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_the_cross_entropy_of_ones_own_is_that_of_torch(dtype: torch.dtype, size: float) -> None:
    kind, weights = Categorical(16), torch.tensor([0.5, 2.0], dtype=dtype)
    x = torch.randint(0, 16, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    ours, theirs = (raw_of(kind, size, dtype).requires_grad_() for _ in range(2))
    found = kind.nats(ours, x)
    expected = F.cross_entropy(theirs, x, reduction="none").flatten(1).sum(dim=1)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(found, expected, rtol=1e-5)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_the_gradient_of_the_cross_entropy_is_taken_once() -> None:
    raw = raw_of(Categorical(4)).requires_grad_()
    value = Categorical(4).nats(raw, torch.zeros(2, 4, 4)).sum()
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="taken already"):
        value.backward()


def test_logistic_bins_are_differences_of_its_distribution_function() -> None:
    kind = DiscretisedLogistic(4)
    raw = torch.tensor([0.1, -0.7], dtype=torch.float64).view(1, 2, 1, 1)
    scale = math.exp(-0.7)
    edges = [-math.inf, -2 / 3, 0.0, 2 / 3, math.inf]
    cdf = [0.0 if e == -math.inf else 1.0 if e == math.inf else 1 / (1 + math.exp(-(e - 0.1) / scale)) for e in edges]
    expected = torch.tensor([b - a for a, b in pairwise(cdf)], dtype=torch.float64)
    assert torch.allclose(kind.log_probabilities(raw).exp().flatten(), expected, rtol=1e-12)


def test_the_logistic_stays_finite_in_float32_far_out() -> None:
    raw = torch.tensor([[50.0, -30.0], [-50.0, 9.0], [0.0, -7.0]]).view(3, 2, 1, 1).requires_grad_()
    for level in (0, 7, 15):
        nats = DiscretisedLogistic().nats(raw, torch.full((3, 1, 1), level))
        assert bool(torch.isfinite(nats).all())
        (gradient,) = torch.autograd.grad(nats.sum(), raw)
        assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_drawn_levels_have_the_expected_grey_value(kind: Likelihood) -> None:
    raw = raw_of(kind)[:1]
    drawn = draw(kind, raw.expand(5000, -1, -1, -1), torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.uint8
    assert int(drawn.max()) < kind.levels
    mean = drawn.double().mean(dim=0) / (kind.levels - 1)
    assert torch.allclose(mean, expected_grey(kind, raw)[0], atol=0.03)


def test_likelihoods_have_names_and_levels() -> None:
    assert [likelihood(name).levels for name in ("categorical", "bernoulli", "logistic")] == [16, 2, 16]
    with pytest.raises(InputError, match="did you mean 'categorical'"):
        likelihood("categoric")
    with pytest.raises(InputError, match="give --levels 2"):
        likelihood("bernoulli", 16)


@pytest.mark.parametrize("kind", [Categorical(), Bernoulli(), DiscretisedLogistic(256)], ids=str)
def test_the_constant_of_shares_of_levels_is_their_distribution(kind: Likelihood) -> None:
    wide = torch.arange(kind.levels, dtype=torch.float64) / (kind.levels - 1) - 0.4
    shares = torch.softmax(-20 * wide.square(), dim=0)
    found = kind.log_probabilities(kind.constant(shares).view(1, -1, 1, 1)).exp().flatten()
    if isinstance(kind, DiscretisedLogistic):  # of its own shape, with the same mean and nearly the same spread
        values = torch.linspace(-1, 1, 256, dtype=torch.float64)
        assert float((found * values).sum()) == pytest.approx(float((shares * values).sum()), abs=0.01)
        assert float((found - shares).abs().sum()) < 0.2
    else:
        assert torch.allclose(found, shares)
