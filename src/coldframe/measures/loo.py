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

ROWS = 4096
"""Rows whose left-out scores are in memory at once."""
MOST_LEFT_OUT = 20_000
"""Images of which each loses its own vote among N x N, at most."""
BLOCK = 512
"""Rows whose own centres are in memory at once."""
NOTHING = 1e-10
"""Share of the largest square under which a square counts as 0."""
ROUNDING = 1e-26
"""Share of the features' largest square under which a square between them is rounding."""
NEGLIGIBLE = 1e-6
"""Share of the features' mean square under which the spread within classes counts as none."""


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
    row this is the known r_i / (1 - h_ii). One singular value decomposition serves all penalties.

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
    left, values, _ = torch.linalg.svd(root * (x - centre), full_matrices=False)  # [N, R], [R]
    constant = root / root.norm() if intercept else torch.zeros_like(root)  # [N, 1]
    t = root * targets
    inner = left.T @ t  # [R, K]
    level = constant @ (constant.T @ t)  # [N, K]
    rows, real = members(groups) if groups is not None else (torch.arange(len(x), device=x.device)[:, None], None)
    found = []
    for penalty in penalties:
        shrink = values.square() / (values.square() + penalty)  # [R]
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
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel + penalty * eye))
        dual = inverse @ targets  # [N, K]
        if real is None:
            out = dual / inverse.diagonal()[:, None]
        else:
            blocks = inverse[rows[:, :, None], rows[:, None, :]]  # [N, m, m]
            pads = ~(real[:, :, None] & real[:, None, :])
            blocks = torch.where(pads, torch.eye(rows.shape[1], dtype=kernel.dtype, device=kernel.device), blocks)
            solved = torch.linalg.solve(blocks, dual[rows] * real[..., None])
            mine = (rows == torch.arange(len(kernel), device=kernel.device)[:, None]) & real
            out = (solved * mine[..., None]).sum(1)
        found.append(targets - out)
    return torch.stack(found)


def votes(affinity: Tensor, y: Tensor, classes: int, *, groups: Tensor | None = None) -> Tensor:
    """Return the sums over classes [N, K] of affinities [N, N] between images, their own group's left out."""
    own = groups if groups is not None else torch.arange(len(y), device=y.device)
    others = affinity * (own[:, None] != own[None])
    return others @ functional.one_hot(y, classes).to(affinity.dtype)


class Gaussians:
    """Gaussian discriminant analysis: class means, one shrunk covariance, and what leaving a group out makes of them.

    With class weights n_c, means m_c, scatter M = sum_i w_i (x_i - m_y)(x_i - m_y)^T, n = sum_i w_i and
    t = tr(M) / (n - 1): P = M + shrinkage * t * I, score_c(x) = D (m_c^T P^-1 x - m_c^T P^-1 m_c / 2). A class without
    images takes the mean of the other classes' means. Where the images of a class do not differ at all, t is the mean
    square of the features, so that the nearest mean decides. With fewer rows than features everything is computed in the
    rows' own span, N wide.

    Args:
        x: features [N, D].
        y: labels [N].
        classes: K.
        weights: of the rows [N], above 0; 1 when None.
        groups: [N], equal for rows that leave together, all of one class; each row on its own when None.

    Source:
        Wang et al., A Hard-to-Beat Baseline for Training-Free CLIP-based Adaptation (2024), arXiv 2402.04087; the
        shrinkage 1 is their estimate of the inverse covariance (Kubokawa and Srivastava, 2008).
    """

    def __init__(
        self, x: Tensor, y: Tensor, classes: int, *, weights: Tensor | None = None, groups: Tensor | None = None
    ) -> None:
        self.dim, self.frame = x.shape[1], None  # every score is an inner product within the span of the rows
        if len(x) < self.dim:
            self.frame, rows = torch.linalg.qr(x.T)  # [D, N]
            x = rows.T  # [N, N]
        self.x, self.y, self.classes, self.groups = x, y, classes, groups
        self.w = torch.ones(len(x), dtype=x.dtype, device=x.device) if weights is None else weights.to(x)
        self.count = torch.zeros(classes, dtype=x.dtype, device=x.device).index_add(0, y, self.w)  # [K]
        sums = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, y, self.w[:, None] * x)
        self.present = self.count > 0
        self.means = sums / self.count.clamp_min(torch.finfo(x.dtype).tiny)[:, None]  # [K, D]
        self.total = self.means[self.present].sum(0)  # [D], of the means of classes that have images
        self.means[~self.present] = self.total / self.present.sum()
        self.apart = x - self.means[y]  # [N, D]
        root = self.w.sqrt()[:, None] * self.apart
        self.values, self.vectors = torch.linalg.eigh(root.T @ root)  # [D], [D, D]
        self.values = self.values.clamp_min(0)
        self.spread = (self.w * self.apart.square().sum(1)).sum()  # tr(M)
        self.square = (self.w * x.square().sum(1)).sum()

    def _level(self, spread: Tensor, square: Tensor, n: Tensor) -> Tensor:
        level = spread / (n - 1).clamp_min(1)
        mean = square / n.clamp_min(torch.finfo(n.dtype).tiny)
        return torch.where(level > NEGLIGIBLE * mean, level, mean)

    def linear(self, shrinkage: float) -> tuple[Tensor, Tensor]:
        """Return the weights [K, D] and the biases [K] of the scores."""
        level = self._level(self.spread, self.square, self.w.sum())
        rotated = self.means @ self.vectors
        weight = self.dim * (rotated / (self.values + shrinkage * level)) @ self.vectors.T
        bias = -(weight * self.means).sum(1) / 2
        return (weight if self.frame is None else weight @ self.frame.T), bias

    def left_out(self, shrinkages: Sequence[float]) -> Tensor:
        """Return for each shrinkage and each row the scores of a fit without the row's group [shrinkages, N, K].

        Leaving a group out is a change of low rank of M, undone by the Woodbury identity in the eigenbasis of M.
        """
        if self.groups is None:
            rows = torch.arange(len(self.x), device=self.x.device)[:, None]
            real = torch.ones_like(rows, dtype=torch.bool)
        else:
            rows, real = members(self.groups)
        found = [
            self._part(shrinkages, self.x[at : at + ROWS], self.y[at : at + ROWS], rows[at : at + ROWS], real[at : at + ROWS])
            for at in range(0, len(self.x), ROWS)
        ]
        return torch.cat(found, dim=1)

    def _part(self, shrinkages: Sequence[float], x: Tensor, y: Tensor, rows: Tensor, real: Tensor) -> Tensor:
        """Return left-out scores of some rows; ``rows`` and ``real`` [B, m] are what leaves with each."""
        n = self.w.sum()
        w = self.w[rows] * real  # [B, m]
        gone = w.sum(1)  # [B]
        left = self.count[y] - gone
        emptied = left <= 1e-9 * self.count[y]
        d = self.apart[rows] * real[..., None]  # [B, m, D]
        shift = (w[..., None] * d).sum(1)  # [B, D], sum over the group of w (x - m_c)
        own = self.means[y] - shift / torch.where(emptied, 1.0, left)[:, None]  # [B, D]
        others = (self.total - self.means[y] + torch.where(emptied[:, None], 0.0, own)) / (
            self.present.sum() - emptied.to(x.dtype)
        ).clamp_min(1)[:, None]  # [B, D], the mean of the means that are left
        own = torch.where(emptied[:, None], others, own)
        lost = (w * d.square().sum(-1)).sum(1)
        lost = lost + torch.where(emptied, 0.0, shift.square().sum(1) / torch.where(emptied, 1.0, left))
        square = self.square - (w * self.x[rows].square().sum(-1)).sum(1)
        level = self._level((self.spread - lost).clamp_min(0), square, n - gone)  # [B]
        # The change of M is -V C V^T with V the group's deviations and C^-1 = diag(1 / w) - 1 1^T / n_c.
        core = torch.diag_embed(torch.where(real, 1 / torch.where(real, w, 1.0), 1.0))  # [B, m, m]
        pair = (real[:, :, None] & real[:, None, :]).to(x.dtype)
        core = core - torch.where(emptied[:, None, None], 0.0, pair / self.count[y][:, None, None])
        turned, means, v = x @ self.vectors, self.means @ self.vectors, d @ self.vectors
        special = {"own": own @ self.vectors, "others": others @ self.vectors}
        found = []
        for shrinkage in shrinkages:
            a = 1 / (self.values + shrinkage * level[:, None])  # [B, D]
            e = a[:, None] * v  # [B, m, D]
            solver = torch.linalg.inv(core - e @ v.mT)  # [B, m, m]
            across = (e @ turned[..., None]).squeeze(-1)  # [B, m], V^T A x
            heard = (solver @ across[..., None]).squeeze(-1)  # [B, m]
            r = e @ means.T  # [B, m, K], V^T A m_k
            score = (a * turned) @ means.T + (heard[..., None] * r).sum(1)
            score = score - ((a @ means.square().T) + (r * (solver @ r)).sum(1)) / 2
            apart = {name: self._single(z, a, e, turned, heard, solver) for name, z in special.items()}
            score = torch.where(self.present, score, apart["others"][:, None])
            score.scatter_(1, y[:, None], apart["own"][:, None])
            found.append(self.dim * score)
        return torch.stack(found)

    @staticmethod
    def _single(z: Tensor, a: Tensor, e: Tensor, turned: Tensor, heard: Tensor, solver: Tensor) -> Tensor:
        """Return z^T P^-1 x - z^T P^-1 z / 2 for one mean z [N, D] a row, as [N]."""
        r = (e @ z[..., None]).squeeze(-1)  # [N, m]
        cross = (a * turned * z).sum(1) + (heard * r).sum(1)
        return cross - ((a * z.square()).sum(1) + (r * (solver @ r[..., None]).squeeze(-1)).sum(1)) / 2


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
