"""Distances against all pairs, the fence by hand, and choices that a person would make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from coldframe.measures.outliers import distances, outliers, to_label


def unit(n: int, seed: int, near: float = 0.1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.ones(n, 8) + near * torch.randn(n, 8, generator=generator), dim=1)


def test_distances_are_those_of_all_pairs() -> None:
    x = unit(60, 0)
    pairs = torch.cdist(x.double(), x.double()).sort(dim=1).values
    assert distances(x, 10) == pytest.approx(pairs[:, 10].numpy(), abs=1e-5)


def test_an_outlier_lies_outside_the_fence() -> None:
    x = unit(80, 1)
    x[7] = functional.normalize(torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1]), dim=0)
    found = outliers(x)
    assert found[0][0] == 7 and found[0][1] > 0.5
    assert not outliers(unit(10, 2))


def test_what_to_label_is_unsure_and_far() -> None:
    x = functional.normalize(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0.01], [0, 0, 1]]), dim=1)
    odds = torch.tensor([[0.5, 0.5], [0.6, 0.4], [0.6, 0.4], [0.99, 0.01]])
    chosen = to_label(odds, x, functional.normalize(torch.tensor([[1.0, 0, 0.001]]), dim=1), 3)
    assert chosen[0] in (1, 2) and chosen[1] == 3  # the first is labelled as good as already; 1 and 2 are one
    assert sorted(to_label(odds, x, x[:1], 9)) == [0, 1, 2, 3]
    assert np.isfinite(distances(x, 10)).all()


def test_of_many_features_each_is_compared_with_the_same_number_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.measures.outliers.MOST", 30)
    x = unit(60, 3)
    rows = torch.linspace(0, 59, 30).long()
    pairs = torch.cdist(x.double(), x[rows].double()).sort(dim=1).values
    held = set(rows.tolist())
    expected = [float(pairs[row, 10 if row in held else 9]) for row in range(60)]
    assert distances(x, 10) == pytest.approx(expected, abs=1e-5)


def test_the_fence_is_three_spreads_of_the_middle_half_beyond_it() -> None:
    x = torch.cat([unit(40, 4), unit(6, 5, near=0.9)])
    far = distances(x)
    low, high = np.quantile(far, 0.25), np.quantile(far, 0.75)
    fence = high + 3 * (high - low)
    expected = {row: 1 - fence / far[row] for row in range(46) if far[row] > fence}
    found = outliers(x)
    assert dict(found) == pytest.approx(expected) and 1 < len(found) < 7
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
    same = torch.cat([unit(1, 6).expand(22, -1), unit(1, 7)])
    assert [row for row, _ in outliers(same)] == [22], "of equal images the fence keeps a width"
    assert not outliers(same[2:-1]) and not outliers(same[3:]), "with 20 images nobody is called an outlier"
    assert [row for row, _ in outliers(same[2:])] == [20]


def test_more_images_than_are_compared_at_once_are_compared_all() -> None:
    x = unit(2100, 8)[:, :3].contiguous()
    x = functional.normalize(x, dim=1)
    pairs = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist").kthvalue(3, dim=1).values
    assert distances(x, 2) == pytest.approx(pairs.numpy(), abs=1e-3)
    odds = torch.full((2100, 2), 0.5)
    labelled = x[[0, 2060]]
    nearest = (x @ labelled.T).amax(1)
    assert to_label(odds, x, labelled, 1) == [int(nearest.argmin())]


def test_one_class_alone_is_as_sure_as_it_says() -> None:
    x = functional.normalize(torch.tensor([[1.0, 0, 0], [0, 1, 0]]), dim=1)
    odds, labelled = torch.tensor([[0.9], [0.2]]), torch.tensor([[0.0, 0, 1]])
    assert to_label(odds, x, labelled, 1) == [1]
    assert to_label(torch.tensor([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]]), x, labelled, 1) == [0], "the first two classes count"
