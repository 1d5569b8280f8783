"""Exact leave-one-out in closed form: what a classifier says of each image when it is fitted on all the others.

No fit is repeated: each function returns scores [settings, N, K] that equal those of N separate fits. Several rows can
belong to one image (its views, or copies of it): rows of one ``group`` leave together. Rows can carry weights.
Everything is computed in the type of ``x``; float64 agrees with refitting to about 1e-10.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

MOST_LEFT_OUT = 20_000
"""Images of which each loses its own vote among N x N, at most."""
BLOCK = 512
"""Rows with centres of their own, or columns of an inverse, that are computed at once."""
NOTHING = 1e-10
"""Share of the largest square under which a square counts as 0."""
ROUNDING = 1e-26
"""Share of the features' largest square under which a square between them is rounding."""


def members(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each row the rows of its group, padded with the row itself, and which of them count: two [N, m]."""
    _, inverse, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    most = int(counts.max())
    order = torch.argsort(inverse, stable=True)
    starts = counts.cumsum(0) - counts  # [groups]
    slots = torch.arange(most, device=groups.device)
    real = slots[None] < counts[inverse][:, None]  # [N, m]
    places = (starts[inverse][:, None] + slots[None]).clamp_max(len(groups) - 1)
    rows = torch.where(real, order[places], torch.arange(len(groups), device=groups.device)[:, None])
    return rows, real


def ridge(
    x: Tensor,
    targets: Tensor,
    penalties: Sequence[float],
    *,
    weights: Tensor | None = None,
    groups: Tensor | None = None,
    intercept: bool = True,
) -> Tensor:
    """Return out-of-sample scores of ridge regression: sum_i w_i |W x_i + b - t_i|^2 + penalty |W|^2, b not penalised.

    With the hat matrix H of weighted rows, the residuals of a left-out group g are (I - H_gg)^-1 (t - H t)_g; for one
    row this is the known r_i / (1 - h_ii). One eigendecomposition serves all penalties.

    Args:
        x: features [N, D].
        targets: [N, K]; the scores are linear in them.
        penalties: above 0.
        weights: [N], above 0; 1 when None.
        groups: [N], equal for rows that leave together; each row on its own when None.
        intercept: whether there is a b.

    Returns:
        [penalties, N, K].

    Source:
        Allen, The relationship between variable selection and data augmentation (1974), for one row (PRESS).
    """
    w = torch.ones(len(x), dtype=x.dtype, device=x.device) if weights is None else weights.to(x)
    root = w.sqrt()[:, None]  # [N, 1]
    centre = (w[:, None] * x).sum(0) / w.sum() if intercept else torch.zeros_like(x[0])
    left, squares = _left_singular(root * (x - centre))  # [N, R], [R]
    constant = root / root.norm() if intercept else torch.zeros_like(root)  # [N, 1]
    t = root * targets
    inner = left.T @ t  # [R, K]
    level = constant @ (constant.T @ t)  # [N, K]
    rows, real = members(groups) if groups is not None else (torch.arange(len(x), device=x.device)[:, None], None)
    found = []
    for penalty in penalties:
        shrink = squares / (squares + penalty)  # [R]
        residual = t - level - left @ (shrink[:, None] * inner)  # [N, K]
        if real is None:
            leverage = (left.square() @ shrink)[:, None] + constant.square()  # [N, 1]
            out = residual / (1 - leverage)
        else:
            theirs = left[rows] * real[..., None]  # [N, m, R]
            ones = constant[rows] * real[..., None]  # [N, m, 1]
            hat = (theirs * shrink) @ theirs.mT + ones @ ones.mT  # [N, m, m]
            eye = torch.eye(rows.shape[1], dtype=x.dtype, device=x.device)
            solved = torch.linalg.solve(eye - hat, residual[rows] * real[..., None])  # [N, m, K]
            mine = (rows == torch.arange(len(x), device=x.device)[:, None]) & real
            out = (solved * mine[..., None]).sum(1)
        found.append(targets - out / root)
    return torch.stack(found)


def _left_singular(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return the left singular vectors [N, R] and the squares of the singular values [R] of a matrix [N, D].

    They come from the smaller of a a^T and a^T a. Squares within their rounding are left out: one of them belongs to the
    intercept, which is not penalised and counts by itself.
    """
    n, width = a.shape
    squares, vectors = torch.linalg.eigh(a @ a.T if n <= width else a.T @ a)
    kept = squares > max(n, width) * torch.finfo(a.dtype).eps * squares.max()
    squares, vectors = squares[kept], vectors[:, kept]
    return vectors if n <= width else a @ (vectors / squares.sqrt()), squares


def kernel_ridge(kernel: Tensor, targets: Tensor, penalties: Sequence[float], *, groups: Tensor | None = None) -> Tensor:
    """Return out-of-sample scores of kernel ridge regression f = sum_j k(., x_j) a_j with (K + penalty I) a = t.

    With C = (K + penalty I)^-1 and a = C t: f_-g = t_g - (C_gg)^-1 a_g.

    Args:
        kernel: K [N, N], positive semi-definite.
        targets: [N, K].
        penalties: above 0.
        groups: as for :func:`ridge`.

    Returns:
        [penalties, N, K].
    """
    rows, real = members(groups) if groups is not None else (torch.arange(len(kernel), device=kernel.device)[:, None], None)
    eye = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
    found = []
    for penalty in penalties:
        lower = torch.linalg.cholesky(kernel + penalty * eye)
        if rows.shape[1] == 1:
            out = torch.cholesky_solve(targets, lower) / _inverse_diagonal(lower)[:, None]
        else:
            assert real is not None
            inverse = torch.cholesky_inverse(lower)
            blocks = inverse[rows[:, :, None], rows[:, None, :]]  # [N, m, m]
            pads = ~(real[:, :, None] & real[:, None, :])
            blocks = torch.where(pads, torch.eye(rows.shape[1], dtype=kernel.dtype, device=kernel.device), blocks)
            solved = torch.linalg.solve(blocks, (inverse @ targets)[rows] * real[..., None])
            mine = (rows == torch.arange(len(kernel), device=kernel.device)[:, None]) & real
            out = (solved * mine[..., None]).sum(1)
        found.append(targets - out)
    return torch.stack(found)


def _inverse_diagonal(lower: Tensor) -> Tensor:
    """Return the diagonal [N] of (L L^T)^-1: the squares of the columns of L^-1, of which only what is not 0 is computed."""
    parts = []
    for at in range(0, len(lower), BLOCK):
        below = lower[at:, at:]
        unit = torch.eye(len(below), min(BLOCK, len(below)), dtype=lower.dtype, device=lower.device)
        parts.append(torch.linalg.solve_triangular(below, unit, upper=False).square().sum(0))
    return torch.cat(parts)


def votes(affinity: Tensor, y: Tensor, classes: int, *, groups: Tensor | None = None) -> Tensor:
    """Return the sums over classes [N, K] of affinities [N, N] between images, their own group's left out."""
    own = groups if groups is not None else torch.arange(len(y), device=y.device)
    others = affinity * (own[:, None] != own[None])
    return others @ functional.one_hot(y, classes).to(affinity.dtype)


def centred_means(x: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return c [D], the mean of all features, and the class means of z_i = (x_i - c) / |x_i - c| [K, D]; 0 without images."""
    centre = x.mean(0)
    unit = functional.normalize(x - centre, dim=-1)
    sums = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, y, unit)
    return centre, sums / torch.bincount(y, minlength=classes).clamp_min(1)[:, None].to(x)


def nearest_means(x: Tensor, y: Tensor, classes: int, *, groups: Tensor | None = None) -> Tensor:
    """Return left-out scores cos(x - c, m_k) [N, K] of :func:`centred_means`.

    Leaving a group out moves c and with it every z_i = (x_i - c) / |x_i - c|. All that is asked of them are inner products,
    which follow from those of the centred features: N^2 D operations once, then N^2 times the size of a class. A class
    without images scores 0, and so does a feature at c.

    Source:
        Wang et al., SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning (2019), CL2N.
    """
    every = torch.arange(len(y), device=y.device)
    own = groups if groups is not None else every
    rounding = ROUNDING * x.double().square().sum(1).max()
    x = x.double() - x.double().mean(0)  # z does not depend on the origin, and near c little cancels
    gram = x @ x.T  # [N, N]
    least = torch.maximum(NOTHING * gram.diagonal().max(), rounding)
    return torch.cat([_nearest_means_part(gram, y, classes, own, rows, least) for rows in torch.split(every, BLOCK)])


def _nearest_means_part(gram: Tensor, y: Tensor, classes: int, own: Tensor, rows: Tensor, least: Tensor) -> Tensor:
    """Return scores [B, K] of some rows r; row r of each matrix belongs to the centre c_r without r's group."""
    kept = (own[rows][:, None] != own[None]).to(gram)  # [B, N]
    count = kept.sum(1, keepdim=True).clamp_min(1)
    to_centre = kept @ gram / count  # x_i . c_r [B, N]
    centre = (to_centre * kept).sum(1, keepdim=True) / count  # |c_r|^2 [B, 1]
    square = gram.diagonal()[None] - 2 * to_centre + centre  # |x_i - c_r|^2 [B, N]
    share = kept * torch.where(square > least, square.clamp_min(least).rsqrt(), 0)  # 1 / |x_i - c_r| [B, N]
    at = gram[rows] - to_centre - to_centre.gather(1, rows[:, None]) + centre  # (x_i - c_r) . (x_r - c_r) [B, N]
    score = gram.new_zeros(len(rows), classes)
    for label in torch.unique(y).tolist():
        mine = y == label
        w, near = share[:, mine], to_centre[:, mine]  # [B, n]
        total = w.sum(1)
        # |sum_i w_i (x_i - c)|^2, and its inner product with x_r - c.
        length = ((w @ gram[mine][:, mine]) * w).sum(1) - 2 * total * (w * near).sum(1) + total.square() * centre[:, 0]
        length = torch.where(length > NOTHING * (w > 0).sum(1).square(), length, torch.inf)
        score[:, label] = (w * at[:, mine]).sum(1) * length.rsqrt()
    self_square = square.gather(1, rows[:, None])
    return score * torch.where(self_square > least, self_square.clamp_min(least).rsqrt(), 0)
