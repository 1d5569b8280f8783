"""What is gained where a classifier may be silent: the error among its surest answers.

Items are ordered by the highest probability, the surest first; equal ones in their order.

Source: Geifman and El-Yaniv, Selective classification for deep neural networks (2017), and Geifman, Uziel and El-Yaniv (2019)
for the area (arXiv 1805.08206).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.accuracy import checked


def ordered_errors(probabilities: Any, labels: Any) -> NDArray[np.float64]:
    """Return 1 for a wrong and 0 for a right answer [N], the surest first."""
    p, y = checked(probabilities, labels)
    order = np.argsort(-p.max(1), kind="stable")
    return np.asarray((p.argmax(1) != y)[order].astype(np.float64))


def answered(n: int, coverage: float) -> int:
    """Return how many of n items are answered at a coverage in (0, 1]: the share rounded up."""
    if not 0 < coverage <= 1:
        raise InputError(f"expected a coverage above 0 and up to 1, found {coverage:g}")
    return max(1, math.ceil(coverage * n - 1e-9))


def risk_at(probabilities: Any, labels: Any, coverage: float) -> float:
    """Return the share of wrong answers among the surest ``coverage`` of all.

    Example:
        >>> risk_at([[0.9, 0.1], [0.6, 0.4]], [0, 1], 0.5)
        0.0
    """
    errors = ordered_errors(probabilities, labels)
    return float(errors[: answered(len(errors), coverage)].mean())


def aurc(probabilities: Any, labels: Any) -> float:
    """Return the area under the risk-coverage curve: the mean of the risk over the coverages 1/N, 2/N .. 1."""
    errors = ordered_errors(probabilities, labels)
    return float((np.cumsum(errors) / np.arange(1, len(errors) + 1)).mean())
