"""Gaussian discriminant analysis, and exactly what it says of each image when it is fitted on all the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coldframe.measures.loo import members

ROWS = 4096
"""Rows whose left-out scores are in memory at once."""
NEGLIGIBLE = 1e-6
"""Share of the features' mean square under which the spread within classes counts as none."""


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
