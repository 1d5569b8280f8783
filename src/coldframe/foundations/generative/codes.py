"""Codes to look at: the grid of the prior's percentiles, and the straight way between two codes."""

from __future__ import annotations

import torch
from torch import Tensor

from coldframe.errors import InputError


def manifold_codes(n: int = 20, latent: int = 2) -> Tensor:
    """Return the codes of an n x n grid over the prior N(0, 1) in two dimensions, row by row [n n, 2].

    Each axis takes the percentiles (i + 0.5) / n through the inverse of the normal distribution function, so that every cell
    of the grid holds the same share of the prior. The first dimension runs from left to right, the second from bottom to top.

    Args:
        n: codes a side.
        latent: dimensions of the codes of a run; only 2 have a grid.

    Raises:
        InputError: ``latent`` is not 2, or ``n`` is under 1.
    """
    if latent != 2:
        raise InputError(
            f"expected a run with 2 latent dimensions for a manifold, found {latent}; train one with --latent 2, "
            "or draw from this one with coldframe sample"
        )
    if n < 1:
        raise InputError(f"expected 1 or more pictures a side, found n={n}; 20 is usual")
    axis = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n).float()
    up, right = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    return torch.stack([right.flatten(), up.flatten()], dim=1)


def interpolate(start: Tensor, end: Tensor, steps: int = 10) -> Tensor:
    """Return codes on the straight line between two, both ends among them.

    Args:
        start: [D], or [B, D] for B lines.
        end: of the same shape.
        steps: codes a line, 2 or more.

    Returns:
        [steps, D], or [B, steps, D].

    Raises:
        InputError: the shapes differ, or there are fewer than 2 steps.
    """
    if start.shape != end.shape or start.ndim not in (1, 2):
        raise InputError(f"expected two codes of one shape [D] or [B, D], found {list(start.shape)} and {list(end.shape)}")
    if steps < 2:
        raise InputError(f"expected 2 or more steps, found {steps}; the two ends are counted")
    share = torch.linspace(0, 1, steps, device=start.device, dtype=start.dtype)[:, None]
    return torch.lerp(start[..., None, :], end[..., None, :], share)
