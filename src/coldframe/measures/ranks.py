"""Classes that are ranks: how far off answers are, from answers [N] and labels [N] as ranks 0 .. K-1."""

from __future__ import annotations

from typing import Any

import numpy as np

from coldframe.measures.accuracy import as_array


def quadratic_kappa(predicted: Any, labels: Any, classes: int) -> float:
    """Return Cohen's kappa with quadratic weights: 1 - sum w O / sum w E, w_ij = (i - j)^2, O the counts, E those of chance.

    1 where both are one rank alone, for which it is 0 / 0.

    Source: Cohen, Psychological Bulletin 70, 1968.
    """
    p, y = as_array(predicted).astype(np.int64), as_array(labels).astype(np.int64)
    counts = np.bincount(y * classes + p, minlength=classes**2).reshape(classes, classes).astype(np.float64)
    weights = (np.arange(classes)[:, None] - np.arange(classes)) ** 2
    chance = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    expected = float((weights * chance).sum())
    return 1.0 if expected == 0 else 1 - float((weights * counts).sum()) / expected


def rank_error(predicted: Any, labels: Any) -> float:
    """Return the mean of |answer - label| in ranks."""
    return float(np.abs(as_array(predicted).astype(np.int64) - as_array(labels).astype(np.int64)).mean())


def spearman(values: Any, labels: Any) -> float | None:
    """Return Spearman's rank correlation of values [N], such as expected ranks, with labels; None where one is constant."""
    x, y = (_ranks(as_array(each).astype(np.float64)) for each in (values, labels))
    spread = float(x.std() * y.std())
    return None if spread == 0 else float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, -1, 1))


def _ranks(values: Any) -> Any:
    """Return ranks from 1, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2)[place]
