"""Pictures that repeat others, from small copies of them: the same pixels, or nearly so, mirrored too."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

SIDE = 16
"""Side of the small copies in pixels."""
NEAR = 0.985
"""Correlation of two small copies from which they count as nearly the same."""
BLANK = 4.0
"""Standard deviation of a small copy, of 255, under which a picture counts as blank: blank ones resemble each other."""


def near_pairs(copies: NDArray[np.uint8], *, threshold: float = NEAR, rows: int = 1024) -> list[tuple[int, int, float]]:
    """Return pairs (i, j, r) with i < j whose small copies have r = corr(x_i, x_j) or corr(x_i, mirrored x_j) >= threshold.

    x is a copy minus its mean, over its length; blank copies have no pairs.

    Args:
        copies: [N, S, S, 3].
        threshold: least correlation.
        rows: rows of the matrix of correlations in memory at once.
    """
    x = torch.from_numpy(copies.astype(np.float32))
    mirrored = x.flip(2).flatten(1)
    x = x.flatten(1)  # [N, 3 S^2]
    told = x.std(1) >= BLANK
    x, mirrored = (torch.nn.functional.normalize(v - v.mean(1, keepdim=True), dim=1) for v in (x, mirrored))
    found = []
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        for other in (x, mirrored):
            r = part @ other[start:].T  # [rows, N - start]
            for i, j in (r >= threshold).nonzero().tolist():
                if i < j and told[start + i] and told[start + j]:
                    found.append((start + i, start + j, float(r[i, j])))
    best: dict[tuple[int, int], float] = {}
    for i, j, value in found:
        best[i, j] = max(value, best.get((i, j), 0.0))
    return sorted((i, j, value) for (i, j), value in best.items())


def neighbour_accuracy(x: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """Return the share of rows whose nearest other row, by standardised columns of x [N, D], has the same label."""
    z = torch.from_numpy((x - x.mean(0)) / np.maximum(x.std(0), 1e-9))
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(float("inf"))
    return float((y[distance.argmin(1).numpy()] == y).mean())
