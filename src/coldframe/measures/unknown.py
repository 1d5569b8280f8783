"""How well "none of my classes" is told from them: scores that are high for known images, and their AUROC.

Source: the formulas of OpenOOD (Yang et al. 2022, arXiv 2210.07242, and its code): max logit (Hendrycks et al. 2022), energy
(Liu et al. 2020), k nearest neighbours (Sun et al. 2022), Mahalanobis (Lee et al. 2018, last layer), ViM (Wang et al. 2022,
arXiv 2203.10807) and MCM (Ming et al. 2022, arXiv 2211.13445).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.accuracy import as_array
from coldframe.measures.significance import Interval

NEIGHBOUR = 50
"""The neighbour whose distance counts, as in OpenOOD, where classes are large; see :attr:`Features.neighbour`."""
Values = NDArray[np.float64]


def auroc(known: Any, unknown: Any) -> Interval:
    """Return the chance that a known image scores above an unknown one, ties a half, with DeLong's 95% interval.

    Args:
        known: scores [N].
        unknown: scores [M].

    Raises:
        InputError: one of them is empty.

    Source:
        DeLong, DeLong and Clarke-Pearson (1988): the variance is var(V10) / N + var(V01) / M.
    """
    a, b = as_array(known).astype(np.float64), as_array(unknown).astype(np.float64)
    if not len(a) or not len(b):
        raise InputError("expected known and unknown images to tell apart, found none of one")
    above, within = _placements(a, b), 1 - _placements(b, a)
    value = float(above.mean())
    spread = sum(float(part.var(ddof=1)) / len(part) for part in (above, within) if len(part) > 1)
    half = 1.96 * spread**0.5
    return Interval(value, max(0.0, value - half), min(1.0, value + half), len(a) + len(b))


def _placements(a: Values, b: Values) -> Values:
    """Return for each of ``a`` the share of ``b`` below it, ties a half."""
    held = np.sort(b)
    return np.asarray((np.searchsorted(held, a, "left") + np.searchsorted(held, a, "right")) / (2 * len(b)))


def max_logit(logits: Any) -> Values:
    """Return the highest logit [N]."""
    return np.asarray(as_array(logits).astype(np.float64).max(1))


def energy(logits: Any) -> Values:
    """Return log sum_k exp(logit_k) [N]: the negative free energy at temperature 1."""
    z = as_array(logits).astype(np.float64)
    top = z.max(1)
    return np.asarray(top + np.log(np.exp(z - top[:, None]).sum(1)))


def mcm(cosines: Any, temperature: float = 1.0) -> Values:
    """Return the highest probability of softmax(cosine with each class's text / temperature) [N]."""
    z = as_array(cosines).astype(np.float64) / temperature
    return np.asarray(np.exp(z.max(1) - energy(z)))


@dataclass(frozen=True)
class Features:
    """What is known of the training images of a data set, at the features of one model.

    Args:
        x: features [N, D].
        y: labels [N].
    """

    x: Values
    y: NDArray[np.int64]

    @property
    def neighbour(self) -> int:
        """The k of :meth:`nearest`: 50, at most half the images of a mean class, since others are of other classes."""
        return min(NEIGHBOUR, max(1, len(self.y) // (2 * len(np.unique(self.y)))))

    def nearest(self, seen: Any, k: int | None = None) -> Values:
        """Return the negative distance of unit features to the k-th nearest training one [M]; to the last of fewer than k."""
        held, seen = _unit(self.x), _unit(as_array(seen).astype(np.float64))
        k = min(k or self.neighbour, len(held))
        parts = [np.partition(part @ held.T, -k, axis=1)[:, -k] for part in np.array_split(seen, -(-len(seen) // 512))]
        return np.asarray(-np.sqrt(np.maximum(2 - 2 * np.concatenate(parts), 0)))

    def mahalanobis(self, seen: Any) -> Values:
        """Return -min_c (x - m_c)^T S^-1 (x - m_c) / 2 [M], with class means m_c and one covariance S within classes."""
        seen = as_array(seen).astype(np.float64)
        present = np.unique(self.y)
        means = np.stack([self.x[self.y == label].mean(0) for label in present])
        apart = self.x - means[np.searchsorted(present, self.y)]
        inverse = np.linalg.pinv(apart.T @ apart / len(apart), hermitian=True)
        own = np.einsum("nd,nd->n", seen @ inverse, seen)[:, None]
        across = seen @ inverse @ means.T
        square = np.einsum("kd,kd->k", means @ inverse, means)
        return np.asarray(-(own - 2 * across + square).min(1) / 2)

    def vim(
        self, logits: Any, seen: Any, seen_logits: Any, origin: Values | None = None, rows: NDArray[np.int64] | None = None
    ) -> Values:
        """Return energy(logits) - alpha |what the principal space leaves of x - o| [M].

        The principal space has 1,000, 512 or D/2 directions for D of at least 2,048, at least 768 or less: the eigenvectors of
        sum (x - o)(x - o)^T; alpha makes the mean residual of training images their mean highest logit, which must be above 0.

        Args:
            logits: of the training images, or of ``rows`` of them [N, K].
            seen: features [M, D].
            seen_logits: [M, K].
            origin: o [D], in a linear head -W^+ b; the mean of the training features when None.
            rows: the training images that ``logits`` is of; all when None.
        """
        seen = as_array(seen).astype(np.float64)
        centre = self.x.mean(0) if origin is None else origin
        apart = self.x - centre
        width = apart.shape[1]
        kept = 1000 if width >= 2048 else 512 if width >= 768 else width // 2
        _, vectors = np.linalg.eigh(apart.T @ apart)
        null = vectors[:, : width - kept]
        own = apart if rows is None else apart[rows]
        alpha = float(max_logit(logits).mean() / max(np.linalg.norm(own @ null, axis=1).mean(), 1e-12))
        return np.asarray(energy(seen_logits) - alpha * np.linalg.norm((seen - centre) @ null, axis=1))


def _unit(x: Values) -> Values:
    return np.asarray(x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-10))
