"""Where two classifiers differ."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.inspection.differing import Disagreements, disagreements


def test_four_kinds_of_images() -> None:
    labels = np.array([0, 0, 1, 1, 1, 0])
    a = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3], [0.9, 0.1], [0.95, 0.05]], np.float32)
    b = np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8], [0.8, 0.2], [0.2, 0.8]], np.float32)
    found = disagreements(a, b, labels)
    assert found.counts == (1, 3, 1, 1)
    assert found.only_b.tolist() == [3]
    # 0.95 x 0.8 before 0.9 x 0.6 and 0.6 x 0.9, which are the same and stay in order
    assert found.only_a.tolist() == [5, 0, 1]
    assert found.by_class(labels, 2) == [(0, 3, 3, 0), (1, 3, 0, 1)]


def test_models_that_agree() -> None:
    a = np.eye(4, dtype=np.float32)
    found = disagreements(a, a, np.array([0, 1, 2, 0]))
    assert found.counts == (3, 0, 0, 1) and found.by_class(np.array([0, 1, 2, 0]), 4) == []


def test_shapes_must_belong_together() -> None:
    with pytest.raises(InputError, match=r"found shapes \[3, 2\], \[2, 2\] and \[3\]"):
        disagreements(np.zeros((3, 2), np.float32), np.zeros((2, 2), np.float32), np.zeros(3, np.int64))


def test_classes_are_ordered_by_difference_then_number_of_images_then_name() -> None:
    labels = np.array([0] * 3 + [1] * 4 + [2] * 2 + [3] * 2 + [4] * 2)
    only_a, only_b = np.array([0, 3, 4, 7, 9, 10, 11]), np.array([5, 8])
    found = Disagreements(np.zeros(13, bool), np.zeros(13, bool), only_a, only_b)
    assert found.by_class(labels, 6) == [(3, 2, 2, 0), (1, 4, 2, 1), (0, 3, 1, 0), (4, 2, 1, 0), (2, 2, 1, 1)]


def test_probabilities_are_a_table_of_as_many_rows_as_labels() -> None:
    for a, labels in ((np.zeros(3, np.float32), np.zeros(3, np.int64)), (np.zeros((3, 2), np.float32), np.zeros(2, np.int64))):
        with pytest.raises(InputError, match="expected probabilities"):
            disagreements(a, a, labels)
