"""Folds: every image is a test image once, no group lies on both sides, and a comparison speaks of all images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import TinyBackbone, coloured, pictures

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.data.crossing import crossed, pooled
from coldframe.errors import DataError, InputError
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.ridge import Ridge
from coldframe.verbs.compare import compare

DATA = Dataset("colours", coloured(24, 0, "train"), coloured(6, 1, "val"), coloured(12, 2, "test"), "made here")


def names(split: Split) -> set[str]:
    return {split.images.digest(row) for row in range(len(split))}


@pytest.mark.parametrize("folds", [2, 5])
def test_every_image_is_tested_once_and_never_learned_by_its_own_fold(folds: int) -> None:
    found = crossed(DATA, folds)
    every = names(DATA.train) | names(DATA.val) | names(DATA.test)
    assert len(found) == folds and names(pooled(found)) == every and len(pooled(found)) == 42
    for fold in found:
        assert not names(fold.test) & (names(fold.train) | names(fold.val)) and not names(fold.train) & names(fold.val)
        assert names(fold.train) | names(fold.val) | names(fold.test) == every
        sizes = np.bincount(fold.test.labels, minlength=3)
        assert sizes.max() - sizes.min() <= 1 and len(fold.val)
    few = crossed(DATA, folds, shots=3)
    assert all(np.bincount(fold.train.labels).tolist() == [3, 3, 3] for fold in few)


def test_groups_stay_together() -> None:
    groups = tuple(f"patient {row // 4}" for row in range(48))
    labels = np.array([(row // 4) % 3 for row in range(48)])
    whole = Split("train", pictures(48), labels, ("a", "b", "c"), groups)
    none = whole.subset([])
    for fold in crossed(Dataset("d", whole, none, none), 3):
        sides = [set(split.groups or ()) for split in fold.splits]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        assert set(fold.test.labels.tolist()) == {0, 1, 2}


def test_what_cannot_be_divided_is_refused() -> None:
    one = DATA.train.subset([0, 1, 3, 4, 5, 6, 7, 9, 10])
    lonely = Split("train", one.images, np.array([0] * 8 + [1]), ("a", "b"))
    none = lonely.subset([])
    with pytest.raises(DataError, match="2 images or more of class 'b'"):
        crossed(Dataset("d", lonely, none, none), 3)
    with pytest.raises(InputError, match="from 2 to 20"):
        crossed(DATA, 1)


def test_a_comparison_over_folds_speaks_of_all_images(tmp_path: Path) -> None:
    backbone = TinyBackbone(width=8)
    cold = ColdPass(Store(tmp_path / "s"))
    methods = [Ridge(backbone), NearestNeighbours(backbone, k=3)]
    table = compare(methods, DATA, folds=3, cold=cold, latency=False, unknown="none", out=tmp_path / "out")
    assert len(table.rows) == 6 and sum(row["n"] for row in table.rows[:3]) == 42 and table.about.test == 42
    assert table.comparisons[0].n == 42 and table.comparisons[0].seeds == 1
    detail = table.details[0]
    assert detail.correct is not None and detail.correct.shape == (1, 42)
    right = sum(row["top1"] * row["n"] for row in table.rows[:3])
    assert detail.correct.sum() == pytest.approx(right)
    over = table.groups()[0].over_images()
    assert over is not None and over.n == 42
    assert {place.name for place in (tmp_path / "out" / "fits").iterdir()} >= {"ridge-fold0", "knn-fold2"}
    with pytest.raises(InputError, match="beside folds"):
        compare(methods, DATA, folds=3, noise=0.1, cold=cold)
