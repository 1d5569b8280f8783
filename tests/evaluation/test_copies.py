"""Test images that were learned from are counted, and a comparison says what is left without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from fakes import Pictures, TinyBackbone, coloured

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.evaluation.copies import copied, said
from coldframe.methods.knn import NearestNeighbours
from coldframe.verbs.compare import compare

TRAIN, VAL, TEST = coloured(24, 0, "train"), coloured(9, 1, "val"), coloured(12, 2, "test")


def test_copies_are_found_and_their_share_is_said(tmp_path: Path) -> None:
    arrays = [np.asarray(TEST.images.open(row)) for row in range(12)]
    arrays[3], arrays[5] = (np.asarray(part.images.open(row)) for part, row in ((TRAIN, 0), (VAL, 2)))
    test = Split("test", Pictures(arrays), TEST.labels, TEST.classes)
    cold = ColdPass(Store(tmp_path))
    data = Dataset("d", TRAIN, VAL, test)
    found = copied(data, TinyBackbone(width=8), cold)
    assert found[[3, 5]].all() and found.sum() == 2
    right = np.ones((1, 12), dtype=bool)
    right[0, :2] = False
    assert "2 of 12 test images are copies" in said(found, right) and "80.0%, with them 83.3%" in said(found, right)
    assert said(np.zeros(12, dtype=bool), right) == "" and "no others" in said(np.ones(12, dtype=bool), right)
    methods = [NearestNeighbours(TinyBackbone(width=8), k=1)]
    notes = compare(methods, data, seeds=1, cold=cold, latency=False, unknown="none").notes
    assert any("2 of 12 test images are copies" in note for note in notes)
    clean = compare(methods, replace(data, test=TEST), seeds=1, cold=cold, latency=False, unknown="none").notes
    assert not any("copies" in note for note in clean)


def test_a_near_copy_of_any_picture_is_found(tmp_path: Path) -> None:
    """The bytes differ by one step in one pixel, so only features tell."""
    arrays = [np.array(TEST.images.open(row)) for row in range(12)]
    for place, row in ((2, 0), (7, 23)):
        arrays[place] = np.array(TRAIN.images.open(row))
        arrays[place][0, 0, 0] ^= 1
    test = Split("test", Pictures(arrays), TEST.labels, TEST.classes)
    found = copied(Dataset("d", TRAIN, VAL, test), TinyBackbone(width=8), ColdPass(Store(tmp_path)))
    assert found.nonzero()[0].tolist() == [2, 7]
