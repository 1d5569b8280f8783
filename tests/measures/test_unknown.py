"""Scores of unknown images against scikit-learn and OpenOOD's formulas, written as OpenOOD writes them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.linalg import norm, pinv
from scipy.special import logsumexp, softmax
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import roc_auc_score

from coldframe.errors import InputError
from coldframe.measures import unknown

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(150, 10)) + 1, RNG.integers(0, 4, 150)
SEEN = RNG.normal(size=(40, 10))
W, B = RNG.normal(size=(4, 10)), RNG.normal(size=4)
HELD = unknown.Features(X, Y)


def test_auroc_is_that_of_scikit_learn_ties_too() -> None:
    known, strange = RNG.integers(0, 9, 80) + 1.0, RNG.integers(0, 9, 60) * 1.0
    found = unknown.auroc(known, strange)
    truth = roc_auc_score([1] * 80 + [0] * 60, np.concatenate([known, strange]))
    assert found.mean == pytest.approx(truth)
    # DeLong against what draws of both samples do.
    draws = [
        roc_auc_score([1] * 80 + [0] * 60, np.concatenate([RNG.choice(known, 80), RNG.choice(strange, 60)])) for _ in range(300)
    ]
    assert found.half == pytest.approx(1.96 * np.std(draws), rel=0.2)
    with pytest.raises(InputError, match="tell apart"):
        unknown.auroc([], [1.0])


def test_logits_alone() -> None:
    logits = SEEN @ W.T + B
    assert unknown.energy(logits) == pytest.approx(logsumexp(logits, axis=1))
    assert unknown.max_logit(logits) == pytest.approx(logits.max(1))
    assert unknown.mcm(logits / 9) == pytest.approx(softmax(logits / 9, axis=1).max(1))


def test_the_distance_to_a_neighbour() -> None:
    def unit(x: np.ndarray) -> np.ndarray:
        return x / norm(x, axis=1, keepdims=True) + 1e-10

    distances = np.sort(norm(unit(SEEN)[:, None] - unit(X)[None], axis=2), axis=1)
    assert HELD.nearest(SEEN, 50) == pytest.approx(-distances[:, 49], abs=1e-7)
    assert HELD.nearest(SEEN) == pytest.approx(-distances[:, HELD.neighbour - 1], abs=1e-7)
    for images, classes, k in ((800, 8, 50), (792, 8, 49), (24, 8, 1), (6, 6, 1), (400, 3, 50)):
        assert unknown.Features(X[:1], np.arange(images) % classes).neighbour == k
    assert HELD.nearest(SEEN, 500) == pytest.approx(-distances[:, -1], abs=1e-7)


def test_mahalanobis() -> None:
    means = np.stack([X[k == Y].mean(0) for k in range(4)])
    precision = EmpiricalCovariance(assume_centered=False).fit(X - means[Y]).precision_
    every = np.stack([-0.5 * ((SEEN - m) @ precision * (SEEN - m)).sum(1) for m in means])
    assert HELD.mahalanobis(SEEN) == pytest.approx(every.max(0))


def test_vim() -> None:
    u = -np.matmul(pinv(W), B)
    values, vectors = np.linalg.eig(EmpiricalCovariance(assume_centered=True).fit(X - u).covariance_)
    null = vectors.T[np.argsort(-values)[5:]].T  # 5: half of the width
    train, logits = X @ W.T + B, SEEN @ W.T + B
    alpha = train.max(1).mean() / norm((X - u) @ null, axis=1).mean()
    expected = logsumexp(logits, axis=1) - alpha * norm((SEEN - u) @ null, axis=1)
    assert HELD.vim(train, SEEN, logits, u) == pytest.approx(expected)
    rows = np.arange(150)
    assert HELD.vim(train, SEEN, logits, u, rows) == pytest.approx(expected)
    assert not np.allclose(HELD.vim(train, SEEN, logits), expected)


def test_the_interval_of_an_auroc_is_delongs_worked_out_by_hand() -> None:
    known, strange = [3.0, 2.0, 1.0], [2.0, 0.0]
    above = np.array([1.0, 0.75, 0.5])  # of each known image, the share of the strange below it
    within = np.array([0.5, 1.0])  # of each strange one, the share of the known above it
    spread = (above.var(ddof=1) / 3 + within.var(ddof=1) / 2) ** 0.5
    found = unknown.auroc(known, strange)
    assert (found.mean, found.n) == (0.75, 5) and found.high == 1.0
    assert found.low == pytest.approx(0.75 - 1.96 * spread)
    assert unknown.auroc([1.0], [0.0]) == unknown.Interval(1.0, 1.0, 1.0, 2)
    unit = X[:3] / norm(X[:3], axis=1, keepdims=True)
    assert unknown.Features(X[:3], Y[:3]).nearest(X[:1], 50) == pytest.approx(-norm(unit - unit[0], axis=1).max(), abs=1e-6)


def test_vim_keeps_512_directions_of_768_and_half_below() -> None:
    generator = np.random.default_rng(4)
    for width, kept in ((768, 512), (8, 4)):
        x, seen = generator.normal(size=(900, width)), generator.normal(size=(3, width)) * 2
        logits, theirs = generator.normal(size=(900, 3)), generator.normal(size=(3, 3))
        apart = x - x.mean(0)
        null = np.linalg.eigh(apart.T @ apart)[1][:, : width - kept]
        alpha = logits.max(1).mean() / norm(apart @ null, axis=1).mean()
        expected = logsumexp(theirs, axis=1) - alpha * norm((seen - x.mean(0)) @ null, axis=1)
        assert unknown.Features(x, np.zeros(900, dtype=np.int64)).vim(logits, seen, theirs) == pytest.approx(expected)


def test_an_interval_of_an_auroc_ends_where_it_can() -> None:
    low = unknown.auroc([0.0, 2.0, 1.0], [3.0, 1.5, 4.0, 5.0])
    assert low.low == 0.0 and low.high is not None and low.high < 1 and low.mean == pytest.approx(1 / 12)
