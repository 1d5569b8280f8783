"""Pictures that repeat others, from small copies of them: the same pixels, or nearly so, mirrored too."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDE = 16
"""Side of the small copies in pixels."""
NEAR = 0.985
"""Correlation of two small copies from which they count as nearly the same."""
BLANK = 4.0
"""Standard deviation of a small copy, of 255, under which a picture counts as blank."""
PLAIN = 2.0
"""Standard deviation of a small copy after the mean of each channel is taken off, under which rounding alone makes it alike."""
_FEW, _COMPONENTS = 2048, 96
"""So many copies are compared in full and give the components by which more are compared first."""
_SLACK = 1e-4
"""What rounding may take from a bound."""
_TRIED = 65536
"""Pairs that are computed in full at once."""


def near_pairs(copies: NDArray[np.uint8], *, threshold: float = NEAR, rows: int = 1024) -> list[tuple[int, int, float]]:
    """Return pairs (i, j, r) with i < j whose small copies have r = corr(x_i, x_j) or corr(x_i, mirrored x_j) >= threshold.

    x is a copy minus the mean of each of its channels, over its length: with these left in, all pictures of one colour, such as
    the sea from above, would be alike. Copies without any shape (``PLAIN``) have no pairs. Of many copies only those pairs are
    computed whose r may reach the threshold: with u the first components of x and v what they leave,
    x_i . x_j <= u_i . u_j + |v_i| |v_j|. So nothing is missed.

    Args:
        copies: [N, S, S, 3].
        threshold: least correlation.
        rows: rows of the matrix of correlations in memory at once.
    """
    x = torch.from_numpy(copies.astype(np.float32))
    x = x - x.mean((1, 2), keepdim=True)
    told = (x.flatten(1).std(1) >= PLAIN)[:, None]
    x, mirrored = (torch.nn.functional.normalize(v.flatten(1), dim=1) * told for v in (x, x.flip(2)))  # [N, 3 S^2]
    bounded, bounded_mirrored = _bounds(x, mirrored)
    least = threshold - (_SLACK if bounded is not x else 0.0)
    best: dict[tuple[int, int], float] = {}
    for start in range(0, len(x), rows):
        part = bounded[start : start + rows]
        for exact, other in ((x, bounded), (mirrored, bounded_mirrored)):
            r = part @ other[start:].T  # [rows, N - start]
            hit = (r.amax(1) >= least).nonzero().flatten()
            at, j = (r[hit] >= least).nonzero().T
            i = hit[at]
            i, j = i[i < j] + start, j[i < j] + start
            for first, second in zip(torch.split(i, _TRIED), torch.split(j, _TRIED), strict=True):
                sure = (x[first] * exact[second]).sum(1)
                keep = sure >= threshold
                for pair in zip(first[keep].tolist(), second[keep].tolist(), sure[keep].tolist(), strict=True):
                    best[pair[:2]] = max(pair[2], best.get(pair[:2], 0.0))
    return sorted((i, j, value) for (i, j), value in best.items())


def _bounds(x: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """Return shorter vectors whose products are at least those of x [N, D], and the same of their mirror images."""
    if len(x) <= _FEW:
        return x, mirrored
    sample = x[torch.linspace(0, len(x) - 1, _FEW).long()]
    basis = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -_COMPONENTS:]  # [D, C]

    def shorter(v: Tensor) -> Tensor:
        first = v @ basis  # [N, C]
        left = (v.square().sum(1, keepdim=True) - first.square().sum(1, keepdim=True)).clamp_min(0).sqrt()
        return torch.cat([first, left], 1)

    return shorter(x), shorter(mirrored)


def neighbour_accuracy(x: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """Return the share of rows whose nearest other row, by standardised columns of x [N, D], has the same label."""
    z = torch.from_numpy((x - x.mean(0)) / np.maximum(x.std(0), 1e-9))
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(float("inf"))
    return float((y[distance.argmin(1).numpy()] == y).mean())
