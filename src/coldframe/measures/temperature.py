"""One number that makes stated confidence true: the temperature that logits are divided by."""

from __future__ import annotations

from typing import Any

import numpy as np

from coldframe.measures.accuracy import checked

LEAST, MOST = 1e-3, 1e3
"""Temperatures that are looked for."""
_STEPS = 60


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

    # Golden section: the loss has one minimum in 1 / T, so also in log T.
    low, high, ratio = np.log(LEAST), np.log(MOST), (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(a), loss(b)
    for _ in range(_STEPS):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return float(np.exp((low + high) / 2))
