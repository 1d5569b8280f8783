"""How far the codes of pictures, taken together, are from the prior N(0, 1): what adversarial training lessens."""

from __future__ import annotations

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.foundations.generative.quality import Moments, frechet

DIRECTIONS = 128


def gaussian_distance(codes: Tensor) -> float:
    """Return the squared Frechet distance of N(mean, covariance) of codes [N, D] to N(0, 1).

    |m|^2 + tr(C) + D - 2 tr(C^(1/2)): it sees means, spreads and correlations, and nothing of the shape.

    Example:
        >>> codes = 3 * torch.tensor([[1.0], [-1.0]]) / 2**0.5  # standard deviation 3
        >>> round(gaussian_distance(codes), 3)
        4.0
    """
    moments = Moments.of(codes)
    d = codes.shape[1]
    return frechet(moments, Moments(torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64)))


def sliced_wasserstein(codes: Tensor, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """Return the mean over random directions of the 1-Wasserstein distance between projected codes and N(0, 1).

    On a line the distance is the mean gap between sorted values and the quantiles (i + 0.5) / N of the normal distribution, so
    no draws of the prior are needed. It sees the shape as well: two narrow lumps with the right mean and spread are far off.

    Args:
        codes: [N, D].
        directions: unit vectors, drawn by seed.
        seed: of the directions.

    Raises:
        InputError: there is no code or no direction.
    """
    if codes.ndim != 2 or not len(codes) or directions < 1:
        raise InputError(f"expected codes [N, D] and 1 or more directions, found {list(codes.shape)} and {directions}")
    axes = torch.randn(codes.shape[1], directions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    projected = (codes.double() @ (axes / axes.norm(dim=0))).sort(dim=0).values  # [N, directions]
    quantiles = torch.special.ndtri((torch.arange(len(codes), dtype=torch.float64) + 0.5) / len(codes))
    return float((projected - quantiles[:, None]).abs().mean())
