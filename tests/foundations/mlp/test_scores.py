"""Scores of a confusion matrix are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from coldframe.errors import DataError, InputError
from coldframe.foundations.mlp import accuracy, confusion, f_beta, precision, recall

RNG = np.random.default_rng(6)
LABELS, PREDICTED = RNG.integers(0, 4, 300), RNG.integers(0, 4, 300)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_scores_are_scikit_learns_an_absent_class_included(beta: float) -> None:
    counts = confusion(LABELS, PREDICTED, 6)
    kinds = range(6)
    assert np.array_equal(counts, metrics.confusion_matrix(LABELS, PREDICTED, labels=kinds))
    assert accuracy(counts) == metrics.accuracy_score(LABELS, PREDICTED)
    found = metrics.precision_recall_fscore_support(LABELS, PREDICTED, labels=kinds, beta=beta, zero_division=np.nan)
    for ours, theirs in zip((precision(counts), recall(counts), f_beta(counts, beta)), found, strict=False):
        assert np.allclose(ours, theirs, equal_nan=True, atol=1e-15)
    assert np.isnan(recall(counts)[4:]).all()


def test_what_cannot_be_scored_is_one_sentence() -> None:
    with pytest.raises(DataError, match="expected labels from 0 to 2, found 0 to 3"):
        confusion(np.array([0, 3]), np.array([0, 1]), 3)
    with pytest.raises(DataError, match="expected 2 whole-number labels"):
        confusion(np.array([0, 1]), np.array([0]), 3)
    with pytest.raises(DataError, match="empty confusion matrix"):
        accuracy(np.zeros((3, 3), np.int64))
    with pytest.raises(InputError, match="expected beta above 0, found 0"):
        f_beta(np.eye(3, dtype=np.int64), 0)
