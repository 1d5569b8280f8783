"""Bounds against closed forms, torch's distributions, and quadrature over a latent of one dimension."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from coldframe.errors import DataError, InputError
from coldframe.foundations.generative.bounds import (
    bits_per_dimension,
    elbo_terms,
    importance_weighted_bound,
    kl_to_prior,
    marginal_bits,
    measure,
    objective,
)
from coldframe.foundations.generative.digits import to_levels
from coldframe.foundations.generative.vae import VAE


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def zeroed(latent: int = 20) -> VAE:
    model = VAE(latent, channels=2)
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
    return model


def small(latent: int = 1) -> VAE:
    """A network whose posterior is near enough to the prior for quadrature, in float64."""
    model = VAE(latent, channels=2, levels=2, seed=3).double().requires_grad_(False)
    with torch.no_grad():
        model.decoder[-1].weight.mul_(0.3)  # type: ignore[operator, union-attr]
        model.encoder[-1].weight.mul_(0.3)  # type: ignore[operator, union-attr]
    return model


def test_a_network_of_zeros_needs_four_bits_a_pixel() -> None:
    found = measure(zeroed(), pictures(30))
    assert found.rec == pytest.approx(784 * math.log(16), rel=1e-6)
    assert found.kl == 0
    assert f"{found.bits:.3f}" == "4.000"
    assert found.active == 0
    assert bits_per_dimension(784 * math.log(16)) == pytest.approx(4, abs=1e-12)
    assert torch.allclose(importance_weighted_bound(zeroed(), pictures(3), 5), torch.tensor(-784 * math.log(16)).double())


def test_the_kl_is_that_of_torch() -> None:
    mean, log_std = random(4, 3).double(), random(4, 3, seed=1).double()
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean)))
    assert torch.allclose(kl_to_prior(mean, log_std), expected, rtol=1e-12)


def test_beta_and_free_bits_weigh_the_kl() -> None:
    rec, kl = torch.tensor([3.0, 5.0]), torch.tensor([[1.0, 0.1], [3.0, 0.3]])
    assert float(objective(rec, kl)) == pytest.approx(4 + 2 + 0.2)
    assert float(objective(rec, kl, beta=4.0)) == pytest.approx(4 + 4 * 2.2)
    assert float(objective(rec, kl, free_bits=1.0)) == pytest.approx(4 + 2 + math.log(2))
    free = kl.clone().requires_grad_()
    objective(rec, free, beta=2.0, free_bits=1.0).backward()
    assert free.grad is not None
    assert free.grad.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_what_is_measured_is_the_mean_of_the_terms_and_does_not_depend_on_the_batch() -> None:
    model, pixels = VAE(3, channels=2).requires_grad_(False), pictures(7)
    noise = torch.randn(7, 3, generator=torch.Generator().manual_seed(5))
    rec, kl = elbo_terms(model, to_levels(pixels, 16), noise)
    found = measure(model, pixels, seed=5, batch=3)
    assert found.rec == pytest.approx(float(rec.mean()), rel=1e-5)
    assert found.kl_each == pytest.approx(kl.mean(dim=0).tolist(), rel=1e-4)
    assert found.kl == pytest.approx(sum(found.kl_each))
    assert found.bits == pytest.approx(measure(model, pixels, seed=5, batch=7).bits, rel=1e-6)
    means = model.encode(to_levels(pixels, 16))[0]
    assert found.active == int((means.var(dim=0, unbiased=False) > 0.01).sum())


def test_one_weighted_sample_is_the_elbo_with_a_sampled_kl() -> None:
    model, pixels = small(4), pictures(1)
    found = importance_weighted_bound(model, pixels, 1, seed=9)
    noise = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(9)).double()
    mean, log_std = model.encode(to_levels(pixels, 2))
    z = mean + log_std.exp() * noise[0]
    log_q = Normal(mean, log_std.exp()).log_prob(z).sum()
    log_prior = Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum()
    rec, kl = elbo_terms(model, to_levels(pixels, 2), noise[0])
    assert float(found) == pytest.approx(float(-rec - (log_q - log_prior)), rel=1e-9)

    many = torch.stack([importance_weighted_bound(model, pixels, 1, seed=s) for s in range(400)])
    rec, kl = elbo_terms(model, to_levels(pixels, 2).expand(4000, -1, -1), random(4000, 4, seed=2).double())
    elbo = -(rec.mean() + kl[0].sum())
    assert float(many.mean()) == pytest.approx(float(elbo), abs=4 * float(many.std()) / 20)


def test_the_bound_tightens_to_the_log_likelihood() -> None:
    model, pixels = small(), pictures(4)
    x = to_levels(pixels, 2)
    grid = torch.linspace(-8, 8, 801, dtype=torch.float64)
    prior = Normal(0.0, 1.0).log_prob(grid)
    with torch.no_grad():
        nats = torch.stack([model.likelihood.nats(model.raw(grid[:, None]), picture.expand(801, -1, -1)) for picture in x])
    exact = torch.logsumexp(prior - nats, dim=1) + math.log(16 / 800)

    means = [importance_weighted_bound(model, pixels.repeat(1024 // k, 1, 1), k).mean() for k in (1, 4, 16, 256)]
    assert all(a < b for a, b in pairwise(means)), means
    assert float(means[0]) < float(exact.mean()) - 0.5, "the posterior is too good for this test to tell"
    assert float(importance_weighted_bound(model, pixels, 5_000).mean()) == pytest.approx(float(exact.mean()), abs=0.05)


def test_the_bound_does_not_depend_on_how_samples_are_split_in_batches() -> None:
    model, pixels = small(), pictures(1)
    whole = importance_weighted_bound(model, pixels, 64, batch=64)
    # Torch draws the same numbers in pieces of 16 as in one.
    assert torch.allclose(importance_weighted_bound(model, pixels, 64, batch=16), whole, rtol=1e-10)


def test_the_marginal_is_the_frequency_of_levels_at_each_pixel() -> None:
    train = torch.zeros(6, 28, 28, dtype=torch.uint8)
    train[:3, 0, 0] = 255
    p_black = 7 / 8
    expected = -(783 * math.log(p_black) + math.log(4 / 8))
    assert marginal_bits(train, train[:1], 2) == pytest.approx(bits_per_dimension(expected), rel=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="1 or more samples, found 0"):
        importance_weighted_bound(zeroed(), pictures(1), 0)
    with pytest.raises(InputError, match="at least one picture"):
        measure(zeroed(), pictures(0))
    with pytest.raises(DataError, match=r"\[N, 28, 28\], found \[1, 1, 28, 28\]"):
        measure(zeroed(), pictures(1)[None])
