"""Measures of ranks, against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from coldframe.measures.ranks import quadratic_kappa, rank_error, spearman


def test_they_are_those_of_the_libraries() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 80)
    answers = np.clip(labels + generator.integers(-2, 3, 80), 0, 4)
    assert quadratic_kappa(answers, labels, 5) == pytest.approx(cohen_kappa_score(labels, answers, weights="quadratic"))
    assert rank_error(answers, labels) == pytest.approx(np.abs(answers - labels).mean())
    expected = labels + generator.normal(size=80).round(1)
    assert spearman(expected, labels) == pytest.approx(spearmanr(expected, labels).statistic)


def test_the_ends() -> None:
    same = np.array([0, 1, 2])
    assert quadratic_kappa(same, same, 3) == 1 and quadratic_kappa(same * 0, same * 0, 3) == 1
    assert quadratic_kappa(same[::-1], same, 3) < 0 and spearman(same, same * 0) is None
    assert spearman(-same, same) == pytest.approx(-1)
