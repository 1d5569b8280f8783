"""Whole groups in one split, stratified by class as far as groups allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from layouts import CLASSES, save

from coldframe.data import load_dataset
from coldframe.errors import DataError


@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_lies_in_two_splits(tmp_path: Path, seed: int) -> None:
    for label in range(3):
        for number in range(60):
            save(tmp_path / CLASSES[label] / f"p{label}{number // 4}_{number}.png", label, number)
    data = load_dataset(f"folder:{tmp_path}?group={{group}}_*", seed=seed)
    groups = [set(split.groups or ()) for split in (data.train, data.val, data.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 45
    assert sum(map(len, (data.train, data.val, data.test))) == 180
    for split, share in ((data.test, 0.2), (data.val, 0.16)):
        assert np.all(np.abs(np.bincount(split.labels) / 60 - share) < 0.05)
    assert "whole groups" in data.origin
    other = load_dataset(f"folder:{tmp_path}?group={{group}}_*", seed=seed + 1)
    assert other.test.groups == data.test.groups and other.val.groups != data.val.groups
    few = load_dataset(f"folder:{tmp_path}?group={{group}}_*", shots=2)
    assert len(few.train) == 6 and few.test.groups == data.test.groups


def test_groups_that_cannot_be_divided(tmp_path: Path) -> None:
    for label in range(3):
        for number in range(6):
            save(tmp_path / CLASSES[label] / f"p{label}_{number}.png", label, number)
    with pytest.raises(DataError, match="3 groups that cannot be divided"):
        load_dataset(f"folder:{tmp_path}?group={{group}}_*")
