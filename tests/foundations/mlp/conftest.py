"""A small problem of three well-separated classes."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.foundations.mlp.pictures import Examples


@pytest.fixture(scope="module")
def blobs() -> Examples:
    generator = np.random.default_rng(0)
    labels = np.arange(97) % 3
    x = generator.standard_normal((97, 6)) + 3 * np.eye(3, 6)[labels]
    return Examples(x, labels, ("a", "b", "c"))
