"""Repeats by small copies, against NumPy's correlation; and what a nearest neighbour knows."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.measures import repeats
from coldframe.measures.repeats import near_pairs, neighbour_accuracy


def test_pairs_are_those_of_the_definition_mirrored_or_not_and_blank_ones_have_none() -> None:
    draw = np.random.default_rng(0)
    copies = draw.integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    copies[4] = np.clip(copies[1].astype(int) + draw.integers(-9, 10, copies[1].shape), 0, 255)
    copies[6] = copies[2][:, ::-1]
    copies[7] = copies[8] = 80
    found = near_pairs(copies, rows=2)
    assert [(i, j) for i, j, _ in found] == [(1, 4), (2, 6)]
    one, other = (each - each.mean((0, 1)) for each in copies[[1, 4]].astype(float))
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert abs(found[0][2] - expected) < 1e-5 and abs(found[1][2] - 1) < 1e-5
    assert {(i, j) for i, j, _ in near_pairs(copies, threshold=expected + 1e-3)} == {(2, 6)}


def test_pictures_of_one_colour_are_no_repeats() -> None:
    """Water from above: one colour, a little shape of its own in each; only a stored-again copy is a repeat."""
    draw = np.random.default_rng(3)
    shapes = draw.normal(size=(40, 4, 4, 1)).repeat(4, 1).repeat(4, 2) * 6
    sea = np.clip(np.array([20.0, 70.0, 140.0]) + shapes, 0, 255).astype(np.uint8)
    sea[30] = np.clip(sea[3].astype(int) + draw.integers(-1, 2, sea[3].shape), 0, 255)
    assert [(i, j) for i, j, _ in near_pairs(sea)] == [(3, 30)]


def test_of_many_copies_no_pair_is_missed_though_few_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    coarse = draw.integers(0, 256, (400, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    kinds = coarse[draw.integers(0, 60, 400)]  # many are alike, to every degree
    copies = np.clip(kinds + draw.normal(size=kinds.shape) * draw.uniform(0, 60, (400, 1, 1, 1)), 0, 255).astype(np.uint8)
    copies[::7] = copies[::7, :, ::-1]
    copies[5] = copies[9] = 33
    plain = {(i, j): r for i, j, r in near_pairs(copies, threshold=0.97)}
    monkeypatch.setattr(repeats, "_FEW", 64)
    monkeypatch.setattr(repeats, "_COMPONENTS", 12)
    fast = {(i, j): r for i, j, r in near_pairs(copies, threshold=0.97, rows=90)}
    assert fast.keys() == plain.keys() and len(plain) > 100
    assert max(abs(fast[pair] - plain[pair]) for pair in plain) < 1e-6


def test_the_nearest_other_row_is_asked() -> None:
    x = np.array([[0.0, 5], [0.1, 5], [9, 5], [9.2, 5]])
    assert neighbour_accuracy(x, np.array([0, 0, 1, 1])) == 1
    assert neighbour_accuracy(x, np.array([0, 1, 0, 1])) == 0
    assert neighbour_accuracy(x, np.array([0, 0, 0, 1])) == 0.5


def test_a_picture_of_little_contrast_has_no_repeats_and_a_column_that_never_changes_does_not_count() -> None:
    draw = np.random.default_rng(2)
    for spread, pairs in ((1.9, 0), (2.1, 1)):
        flat = np.where(draw.permutation(16 * 16 * 3).reshape(16, 16, 3) % 2, 100 + spread, 100 - spread)
        assert len(near_pairs(np.stack([flat, flat]))) == pairs
    x = np.array([[0.0, 7], [0.1, 7], [9, 7], [9.3, 7]])
    assert neighbour_accuracy(x, np.array([0, 0, 1, 1])) == 1 and neighbour_accuracy(x[:, ::-1], np.array([0, 0, 1, 0])) == 0.5
