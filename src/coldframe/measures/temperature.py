"""One number that makes stated confidence true: the temperature that logits are divided by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.measures.accuracy import checked
from coldframe.measures.calibration import ece

LEAST, MOST = 1e-3, 1e3
"""Temperatures that are looked for."""
_STEPS = 60
_CHANCE = 3.841
"""What chi-square with one degree of freedom exceeds in 5% of cases."""


def temperature(logits: Any, labels: Any) -> float:
    """Return the T > 0 that minimises the mean cross-entropy of softmax(logits / T), with one image's worth of doubt.

    The N labels count as right with weight (N + 1) / (N + 2), the rest is spread over the other classes: Platt's rule. It
    keeps T above 0 where every answer is right, and vanishes as N grows.

    Args:
        logits: of images that had no part in learning [N, K].
        labels: [N].

    Source:
        Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2 (arXiv 1706.04599); Platt, Probabilistic
        outputs for support vector machines (1999), section 2.2, for the weights.

    Example:
        >>> round(temperature([[4.0, 0.0]] * 1000, [0] * 900 + [1] * 100), 2)
        1.83
    """
    z, y = checked(logits, labels)
    n, k = z.shape
    if k == 1:
        return 1.0
    z = z - z.max(1, keepdims=True)
    spread = 1 / ((n + 2) * (k - 1))
    kept = (n + 1) / (n + 2) - spread
    target = float(kept * z[np.arange(n), y].mean() + spread * z.sum(1).mean())  # the part of the loss linear in 1 / T

    def loss(log_t: float) -> float:
        return float(np.log(np.exp(z * np.exp(-log_t)).sum(1)).mean() - target * np.exp(-log_t))

    return float(np.exp(golden_section(loss, float(np.log(LEAST)), float(np.log(MOST)))))  # one minimum in log T


def golden_section(loss: Callable[[float], float], low: float, high: float, steps: int = _STEPS) -> float:
    """Return where a function with one minimum between ``low`` and ``high`` has it, to (high - low) 0.618^steps."""
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(a), loss(b)
    for _ in range(steps):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return (low + high) / 2


def worthwhile(logits: Any, labels: Any, divisor: float) -> bool:
    """Return whether dividing logits by T makes held images likelier by more than chance, and their ECE no larger.

    The first is the likelihood-ratio test of one parameter at 5%: twice the gain in log-likelihood, summed over the N images,
    exceeds 3.84. The second is needed because log-likelihood alone may be ruled by a few answers of almost 0 (votes of
    neighbours), for which a temperature makes all other answers worse.

    Args:
        logits: of images that had no part in learning [N, K].
        labels: [N].
        divisor: T, found on the same images.

    Source:
        Wilks, The large-sample distribution of the likelihood ratio (1938).
    """
    z, y = checked(logits, labels)

    def odds(t: float) -> NDArray[np.float64]:
        raised = np.exp(z / t - (z / t).max(1, keepdims=True))
        found: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
        return found

    plain, scaled = odds(1.0), odds(divisor)
    rows, least = np.arange(len(y)), np.finfo(np.float64).tiny
    gain = float((np.log(scaled[rows, y].clip(least)) - np.log(plain[rows, y].clip(least))).sum())
    return 2 * gain > _CHANCE and ece(scaled, y) <= ece(plain, y)
