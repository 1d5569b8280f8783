"""Risk and its area against the definition, image by image."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.measures.abstaining import answered, aurc, risk_at


def test_they_agree_with_the_definition() -> None:
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(4), size=203)
    y = generator.integers(0, 4, 203)
    ranked = sorted(range(203), key=lambda i: -p[i].max())
    risks = [np.mean([p[i].argmax() != y[i] for i in ranked[:n]]) for n in range(1, 204)]
    assert aurc(p, y) == pytest.approx(np.mean(risks))
    assert risk_at(p, y, 0.8) == pytest.approx(risks[163 - 1]) and answered(203, 0.8) == 163
    assert risk_at(p, y, 1.0) == pytest.approx(risks[-1]) and answered(10, 0.9) == 9


def test_a_coverage_is_a_share() -> None:
    with pytest.raises(InputError, match="coverage"):
        risk_at([[0.5, 0.5]], [0], 0.0)


def test_one_image_at_least_is_answered() -> None:
    assert (answered(1, 0.3), answered(3, 0.1), answered(3, 1.0), answered(10, 0.21)) == (1, 1, 3, 3)
    with pytest.raises(InputError, match=r"found 1\.5"):
        answered(3, 1.5)
