"""Test images that were learned from are counted, and a comparison says what is left without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fakes import Pictures, TinyBackbone, coloured

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.evaluation import copies
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


class Named(Pictures):
    """Many pictures that are known by a name, and never opened."""

    def __init__(self, name: str, n: int) -> None:
        super().__init__([])
        self.label, self.n = name, n

    def __len__(self) -> int:
        return self.n

    def digest(self, index: int) -> str:
        return f"{self.label}{index}"


def test_near_copies_are_looked_for_among_all_training_images_where_they_are_not_too_many(monkeypatch) -> None:
    n = 4100
    sizes = {"train": n, "test": 3}
    train, test = (Split(name, Named(name, size), np.zeros(size, dtype=np.int64), ("a",)) for name, size in sizes.items())
    units = {"train": torch.zeros(n, 2), "test": torch.tensor([[1.0, 0.0], [0.99991, (1 - 0.99991**2) ** 0.5], [0.0, 1.0]])}
    units["train"][4099, 0] = 1.0
    monkeypatch.setattr(copies, "_unit", lambda backbone, split, cold: units[split.name])
    data = Dataset("d", train, train.subset([]), test)
    for most, found in ((3 * n, [True, True, False]), (3 * n - 1, [False, False, False])):
        monkeypatch.setattr(copies, "MOST", most)
        assert copied(data, TinyBackbone(), ColdPass()).tolist() == found
    units["test"][1] = torch.tensor([0.99985, (1 - 0.99985**2) ** 0.5])
    monkeypatch.setattr(copies, "MOST", 3 * n)
    assert copied(data, TinyBackbone(), ColdPass()).tolist() == [True, False, False]
