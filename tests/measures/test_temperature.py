"""The temperature minimises its loss, against an independent minimiser, and never breaks where every answer is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from coldframe.measures.temperature import temperature, worthwhile


def loss(log_t: float, logits: np.ndarray, labels: np.ndarray, doubt: bool) -> float:
    n, k = logits.shape
    found = log_softmax(logits / np.exp(log_t), axis=1)
    target = np.full((n, k), (1 / (n + 2)) / (k - 1) if doubt else 0.0)
    target[np.arange(n), labels] = (n + 1) / (n + 2) if doubt else 1.0
    return float(-(target * found).sum(1).mean())


@pytest.mark.parametrize(("n", "k", "scale"), [(40, 2, 6.0), (300, 7, 0.2), (2000, 30, 9.0)])
def test_it_is_where_the_loss_is_least(n: int, k: int, scale: float) -> None:
    generator = np.random.default_rng(n)
    labels = generator.integers(0, k, n)
    logits = scale * (generator.normal(size=(n, k)) + 1.5 * np.eye(k)[labels])
    found = temperature(logits, labels)
    best = minimize_scalar(loss, bounds=(-7, 7), args=(logits, labels, True), method="bounded", options={"xatol": 1e-10})
    assert np.log(found) == pytest.approx(best.x, abs=1e-6)
    plain = minimize_scalar(loss, bounds=(-7, 7), args=(logits, labels, False), method="bounded")
    assert np.log(found) == pytest.approx(plain.x, abs=0.3 if n < 100 else 0.02 * k)


def test_answers_that_are_all_right_keep_a_doubt() -> None:
    logits, labels = np.eye(3)[[0, 1, 2, 0]] * 5, np.array([0, 1, 2, 0])
    p = np.exp(logits / temperature(logits, labels))
    assert (p / p.sum(1, keepdims=True)).max(1) == pytest.approx(5 / 6, abs=1e-6)  # (N + 1) / (N + 2)


def test_one_class_and_one_answer_for_all() -> None:
    assert temperature([[3.0], [1.0]], [0, 0]) == 1.0
    assert np.isfinite(temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])))


def drawn(n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits times ``scale`` and labels drawn from the softmax of the logits: calibrated where the scale is 1."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(n, 4)) * 2
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits * scale, np.array([generator.choice(4, p=row) for row in odds])


def test_it_is_worth_while_only_beyond_chance() -> None:
    sure, labels = drawn(1000, 3.0)
    assert worthwhile(sure, labels, temperature(sure, labels))
    assert not worthwhile(sure, labels, 1 / temperature(sure, labels))  # the wrong way
    true, labels = drawn(1000, 1.0)
    assert not worthwhile(true, labels, temperature(true, labels))
    sure, labels = drawn(12, 1.5)
    assert not worthwhile(sure, labels, temperature(sure, labels))  # too few to tell


def test_a_few_answers_of_almost_nothing_do_not_scale_all_others() -> None:
    """990 calibrated answers, and 10 that give their true class 1e-40: log-likelihood alone would flatten all of them."""
    logits, labels = drawn(1000, 1.0)
    logits[:10] = 0.0
    logits[np.arange(10), labels[:10]] = -92.0
    found = temperature(logits, labels)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    q = np.exp(logits / found) / np.exp(logits / found).sum(1, keepdims=True)
    gain = np.log(q[np.arange(1000), labels]).sum() - np.log(p[np.arange(1000), labels]).sum()
    assert found > 1.2 and 2 * gain > 3.84
    assert not worthwhile(logits, labels, found)
