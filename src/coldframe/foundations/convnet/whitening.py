"""Filters that decorrelate small patches."""

from __future__ import annotations

import torch
from torch import Tensor


def filters(pictures: Tensor, side: int = 2, eps: float = 5e-4) -> Tensor:
    """Return the principal directions of all patches, each over its standard deviation, and the same negated.

    With the covariance S = E diag(v) E^T of patches, filter i is E_i / sqrt(v_i + eps): the first half of the answers has
    covariance S' = I up to eps. The mean of normalised pictures is near 0 and is not taken off.

    Args:
        pictures: normalised [N, C, H, W]; some thousands are enough.
        side: of a patch, in pixels.
        eps: floor of the variances, in squared units of the pictures.

    Returns:
        Filters [2 C side^2, C, side, side], the direction of largest variance first.
    """
    channels = pictures.shape[1]
    patches = pictures.unfold(2, side, 1).unfold(3, side, 1).movedim(1, 3)  # [N, h, w, C, side, side]
    rows = patches.reshape(-1, channels * side * side).double()  # [N h w, D]
    variances, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
    found = (directions / (variances + eps).sqrt()).T.flip(0)  # [D, D]
    found = found.reshape(-1, channels, side, side).to(pictures.dtype)
    return torch.cat([found, -found])
