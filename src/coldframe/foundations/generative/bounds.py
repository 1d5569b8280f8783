"""How well a latent-variable model explains pictures: the ELBO, bits per dimension, and the importance-weighted bound.

Everything is in nats until :func:`bits_per_dimension` divides by 784 ln 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.foundations.generative.digits import PIXELS, check_pixels, to_levels
from coldframe.foundations.generative.vae import VAE

ACTIVE = 0.01
"""A latent dimension is active when the variance of its posterior mean over pictures is larger. Burda et al. 2016."""


def bits_per_dimension(nats: float) -> float:
    """Return nats per picture as bits per pixel, nats log2(e) / 784.

    Example:
        >>> round(bits_per_dimension(784 * math.log(16)), 3)
        4.0
    """
    return nats / (PIXELS * math.log(2))


def kl_to_prior(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return KL(N(mean, std^2) || N(0, 1)) = (std^2 + mean^2 - 1 - 2 log std) / 2 of each element, in nats."""
    return 0.5 * (torch.exp(2 * log_std) + mean.square() - 1 - 2 * log_std)


def elbo_terms(model: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two terms of the negative ELBO, one sample a picture.

    Args:
        model: the network.
        x: grey levels [B, 28, 28].
        noise: N(0, 1) [B, D]; z = mean + std noise.

    Returns:
        -log p(x|z) [B] and KL(q(z|x) || p(z)) of each latent dimension [B, D], in nats.
    """
    mean, log_std = model.encode(x)
    rec = model.likelihood.nats(model.raw(mean + log_std.exp() * noise), x)
    return rec, kl_to_prior(mean, log_std)


def objective(rec: Tensor, kl: Tensor, *, beta: float = 1.0, free_bits: float = 0.0) -> Tensor:
    """Return what training makes small: mean rec + beta sum over d of max(free_bits ln 2, mean KL_d), in nats a picture.

    Args:
        rec: -log p(x|z) [B].
        kl: KL of each latent dimension [B, D].
        beta: weight of the KL; with 1 and no free bits this is the negative ELBO. Higgins et al. 2017.
        free_bits: bits a latent dimension that cost nothing, on the mean of the batch. Kingma et al. 2016.
    """
    each = kl.mean(dim=0)
    if free_bits > 0:
        each = each.clamp(min=free_bits * math.log(2))
    return rec.mean() + beta * each.sum()


@dataclass(frozen=True)
class Measured:
    """What a model makes of N pictures; means over them.

    Args:
        n: N.
        rec: -log p(x|z), nats a picture.
        kl: KL, nats a picture.
        kl_each: KL of each latent dimension, nats.
        active: latent dimensions whose posterior mean varies by more than 0.01.
    """

    n: int
    rec: float
    kl: float
    kl_each: tuple[float, ...]
    active: int

    @property
    def bits(self) -> float:
        """Bits per dimension, (rec + kl) log2(e) / 784."""
        return bits_per_dimension(self.rec + self.kl)


@torch.no_grad()
def measure(model: VAE, pixels: Tensor, *, seed: int = 0, batch: int = 500) -> Measured:
    """Return the terms of the negative ELBO on pictures, one sample each, the same noise for the same seed.

    Args:
        model: the network.
        pixels: uint8 [N, 28, 28].
        seed: of the noise.
        batch: pictures at a time; it does not change the noise.
    """
    check_pixels(pixels)
    if not len(pixels):
        raise InputError("expected at least one picture to measure, found none; give more")
    device = model.device
    noise = torch.randn(len(pixels), model.latent, generator=torch.Generator().manual_seed(seed))
    means = torch.empty(len(pixels), model.latent)
    rec, kl = 0.0, torch.zeros(model.latent, dtype=torch.float64)
    for rows in torch.split(torch.arange(len(pixels)), batch):
        x = to_levels(pixels[rows.to(pixels.device)], model.levels).to(device)
        mean, log_std = model.encode(x)
        raw = model.raw(mean + log_std.exp() * noise[rows].to(device))
        rec += float(model.likelihood.nats(raw, x).sum(dtype=torch.float64))
        kl += kl_to_prior(mean, log_std).sum(dim=0, dtype=torch.float64).cpu()
        means[rows] = mean.float().cpu()
    each = (kl / len(pixels)).tolist()
    active = int((means.var(dim=0, unbiased=False) > ACTIVE).sum())
    return Measured(len(pixels), rec / len(pixels), sum(each), tuple(each), active)


@torch.no_grad()
def importance_weighted_bound(
    model: VAE, pixels: Tensor, samples: int = 64, *, seed: int = 0, batch: int = 512
) -> Tensor:
    """Return a lower bound on log p(x) of each picture that tightens with more samples.

    log (1/K) sum over k of w_k, w_k = p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x): for K = 1 the ELBO in expectation, with the KL
    sampled rather than in closed form; for K to infinity log p(x). The mean of the weights is taken under the logarithm.
    Burda et al. 2016.

    Args:
        model: the network.
        pixels: uint8 [N, 28, 28].
        samples: K.
        seed: of the noise.
        batch: pictures times samples that are decoded at a time.

    Returns:
        Nats [N], float64.
    """
    check_pixels(pixels)
    if samples < 1:
        raise InputError(f"expected 1 or more samples, found {samples}; 64 is a fair start")
    device, generator = model.device, torch.Generator().manual_seed(seed)
    found = []
    for part in torch.split(pixels, max(1, batch // samples)):
        x = to_levels(part, model.levels).to(device)
        mean, log_std = model.encode(x)
        total = torch.full((len(x),), -math.inf, dtype=torch.float64)
        left = samples
        while left:
            now = min(left, max(1, batch // len(x)))
            left -= now
            noise = torch.randn(now, len(x), model.latent, generator=generator).to(device)
            total = torch.logaddexp(total, _log_weights(model, x, mean, log_std, noise).cpu().logsumexp(dim=0))
        found.append(total - math.log(samples))
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)


def _log_weights(model: VAE, x: Tensor, mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """Return log p(x|z) + log p(z) - log q(z|x) for noise [K, B, D]: [K, B], float64."""
    z = mean + log_std.exp() * noise
    nats = model.likelihood.nats(model.raw(z.flatten(0, 1)), x.repeat(len(noise), 1, 1)).view(len(noise), len(x))
    prior = (-0.5 * z.double().square()).sum(dim=-1)
    posterior = (-0.5 * noise.double().square() - log_std.double()).sum(dim=-1)
    return prior - posterior - nats.double()


def marginal_bits(train: Tensor, test: Tensor, levels: int) -> float:
    """Return bits per dimension of test under one distribution of grey levels a pixel, fitted on train: no latent at all.

    Counts get one more of each level, so that a level that train never shows at a pixel is possible.

    Args:
        train: uint8 [N, 28, 28].
        test: uint8 [M, 28, 28].
        levels: L.
    """
    counts = torch.ones(PIXELS * levels, dtype=torch.float64)
    place = torch.arange(PIXELS) * levels
    for part in torch.split(train, 4096):
        cells = (to_levels(part, levels).cpu().flatten(1).long() + place).flatten()
        counts += torch.bincount(cells, minlength=PIXELS * levels)
    log_p = (counts / (len(train) + levels)).log()
    nats = 0.0
    for part in torch.split(test, 4096):
        nats += float(log_p[to_levels(part, levels).cpu().flatten(1).long() + place].sum())
    return bits_per_dimension(-nats / len(test))
