"""Ridge regression by sums over images, for features that are read in pieces: exact, and its leave-one-out with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.methods import solvers
from coldframe.methods.rows import Rows

_ROWS = 8192
"""Images that are scored at a time."""


@dataclass(frozen=True)
class RidgeSums:
    """What W and b of :class:`coldframe.methods.ridge.Ridge` need to know of N images, in float64.

    Args:
        basis: of the features.
        cross: sum (t - mean t) (x - mean x)^T in the basis [K, R], of targets t = onehot(y) - x texts^T.
        level: mean t [K].
        n: N.
    """

    basis: solvers.Basis
    cross: Tensor
    level: Tensor
    n: int

    @classmethod
    def of(cls, x: Rows, y: Tensor, classes: int, texts: Tensor) -> RidgeSums:
        """Return the sums over rows, which are read four times; texts are [K, D], or [0] where there are none.

        The part of the texts needs no image: sum (x texts^T - its mean)^T (x - mean) = N texts covariance.
        """
        basis = solvers.Basis.of(x)
        level = torch.bincount(y, minlength=classes).to(basis.mean) / len(x)
        cross = solvers.class_sums(x, y, classes, basis.mean) @ basis.vectors
        if texts.ndim == 2:
            level = level - texts.to(basis.mean) @ basis.mean
            cross = cross - len(x) * (texts.to(basis.mean) @ basis.vectors) * basis.values
        return cls(basis, cross, level, len(x))

    def linear(self, penalty: float) -> solvers.Linear:
        """Return the minimiser of sum |W x + b - t|^2 + penalty |W|^2."""
        return self.basis.back(self.cross / (self.basis.values * self.n + penalty), self.level)

    def scores(self, x: Tensor, y: Tensor, texts: Tensor, penalties: Sequence[float], *, own: bool) -> Tensor:
        """Return the scores of some images [penalties, M, K].

        Args:
            x: their features [M, D].
            y: their labels [M].
            texts: as in :meth:`of`.
            penalties: above 0.
            own: whether they are among the N images: each is then scored by the fit to all others.

        Source:
            Allen (1974): the residual of a left-out image is r / (1 - h), its leverage
            h = 1 / N + sum_j u_j^2 / (N v_j + penalty), u its feature in the basis and v the eigenvalues.
        """
        found = x.new_zeros(len(penalties), len(x), len(self.level))
        for start in range(0, len(x), _ROWS):
            part, some = x[start : start + _ROWS], slice(start, start + _ROWS)
            u = self.basis.rotate(part)  # [m, R]
            t = functional.one_hot(y[some], len(self.level)).to(u)
            t = t - part.to(u) @ texts.to(u).T if texts.ndim == 2 else t
            for row, penalty in enumerate(penalties):
                shrunk = self.basis.values * self.n + penalty
                score = self.level + u @ (self.cross / shrunk).T
                if own:
                    leverage = 1 / self.n + u.square() @ (1 / shrunk)
                    score = t - (t - score) / (1 - leverage)[:, None]
                found[row, some] = score.to(x)
        return found
