"""Leave-one-out in closed form equals refitting without the image, for every image: weights, copies and groups included."""

from __future__ import annotations

import pytest
import torch
from left_out import CASES, K, N, features, leaving
from sklearn.linear_model import Ridge

from coldframe.measures import loo


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("dim", [7, 40])  # fewer and more features than rows
def test_ridge_equals_refitting_with_scikit_learn(name: str, intercept: bool, dim: int) -> None:
    x, y = features(dim=dim)
    case, penalties = CASES[name], [1e-3, 0.7, 20.0]
    targets = torch.nn.functional.one_hot(y, K).double() - 0.3 * torch.randn(N, K, dtype=torch.float64)
    found = loo.ridge(x, targets, penalties, intercept=intercept, **case)
    w = case.get("weights", torch.ones(N, dtype=torch.float64))
    for at, penalty in enumerate(penalties):
        for row in range(N):
            kept = leaving(case, row)
            fit = Ridge(penalty, fit_intercept=intercept, solver="svd" if not intercept else "auto", tol=1e-12)
            fit.fit(x[kept].numpy(), targets[kept].numpy(), sample_weight=w[kept].numpy())
            expected = torch.from_numpy(fit.predict(x[row : row + 1].numpy()))[0]
            # Where few rows are fitted nearly exactly, rounding is divided by the little that is left.
            assert (found[at, row] - expected).abs().max() < (1e-10 if dim < N else 1e-9)


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("name", ["plain", "groups"])
def test_kernel_ridge_equals_refitting(name: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loo, "BLOCK", block)
    x, y = features()
    case = CASES[name]
    kernel = (-0.2 * torch.cdist(x, x).square()).exp()
    targets = torch.nn.functional.one_hot(y, K).double()
    found = loo.kernel_ridge(kernel, targets, [0.01, 1.0], **case)
    for at, penalty in enumerate([0.01, 1.0]):
        for row in range(N):
            kept = leaving(case, row)
            inner = kernel[kept][:, kept] + penalty * torch.eye(int(kept.sum()), dtype=torch.float64)
            expected = kernel[row, kept] @ torch.linalg.solve(inner, targets[kept])
            assert (found[at, row] - expected).abs().max() < 1e-10


def test_votes_leave_the_own_group_out() -> None:
    x, y = features()
    affinity = (-torch.cdist(x, x)).exp()
    groups = CASES["groups"]["groups"]
    found = loo.votes(affinity, y, K, groups=groups)
    for row in range(N):
        expected = torch.zeros(K, dtype=torch.float64)
        for other in range(N):
            if groups[other] != groups[row]:
                expected[y[other]] += affinity[row, other]
        assert torch.allclose(found[row], expected)


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("name", ["plain", "groups"])
def test_nearest_means_equal_refitting(name: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loo, "BLOCK", block)
    x, y = features()
    case = CASES[name]
    found = loo.nearest_means(x + 100, y, K, **case)
    for row in range(N):
        kept = leaving(case, row)
        centre = x[kept].mean(0)
        z = torch.nn.functional.normalize(x[kept] - centre, dim=-1)
        means = torch.stack([z[y[kept] == k].mean(0) for k in range(K)])
        expected = torch.nn.functional.cosine_similarity((x[row] - centre)[None], means, dim=-1)
        assert (found[row] - expected).abs().max() < 1e-10


def test_nearest_means_of_an_empty_class_and_of_equal_features_are_0() -> None:
    x, _ = features(n=6)
    y = torch.tensor([0, 0, 1, 1, 3, 3])
    found = loo.nearest_means(x, y, K)
    assert found[:, 2].eq(0).all() and found[:, [0, 1, 3]].abs().gt(0).all()
    assert loo.nearest_means(x[:1].repeat(6, 1), y, K).eq(0).all()
    assert loo.nearest_means(x, y, K, groups=torch.zeros(6, dtype=torch.int64)).eq(0).all()
