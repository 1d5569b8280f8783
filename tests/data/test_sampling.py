"""A sample of a split is even over its classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fakes import split

from coldframe.data.sampling import evenly

TEST = split(18, seed=2, name="test")


def test_a_sample_is_even_over_classes_and_the_same_every_time() -> None:
    lopsided = replace(TEST, labels=np.array([0] * 12 + [1] * 4 + [2] * 2))
    chosen = evenly(lopsided, 6)
    assert np.bincount(chosen.labels).tolist() == [2, 2, 2]
    assert sorted(np.bincount(evenly(lopsided, 9).labels).tolist()) in ([2, 3, 4], [3, 3, 3])
    again = evenly(lopsided, 6)
    assert [chosen.images.digest(i) for i in range(6)] == [again.images.digest(i) for i in range(6)]
    assert evenly(lopsided, 50) is lopsided
