"""Leave-one-out in closed form equals refitting without the image, for every image: weights, copies and groups included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from coldframe.measures import loo

N, D, K = 26, 7, 4


def features(seed: int = 0, n: int = N, dim: int = D) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % K
    means = torch.randn(K, dim, generator=generator, dtype=torch.float64)
    return means[y] + torch.randn(n, dim, generator=generator, dtype=torch.float64), y


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights": {"weights": torch.linspace(0.5, 2.5, N, dtype=torch.float64)},
    # Rows i and i + K have one class: pairs and one group of three.
    "groups": {"groups": torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, *range(4, 21)])},
    "both": {
        "weights": torch.linspace(0.5, 2.5, N, dtype=torch.float64),
        "groups": torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, *range(4, 21)]),
    },
}


def leaving(case: dict[str, Any], row: int) -> Tensor:
    groups = case.get("groups", torch.arange(N))
    return torch.as_tensor(groups != groups[row])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("intercept", [True, False])
def test_ridge_equals_refitting_with_scikit_learn(name: str, intercept: bool) -> None:
    x, y = features()
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
            assert (found[at, row] - expected).abs().max() < 1e-10


@pytest.mark.parametrize("name", ["plain", "groups"])
def test_kernel_ridge_equals_refitting(name: str) -> None:
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


def refitted(x: Tensor, y: Tensor, w: Tensor, at: Tensor, shrinkage: float) -> Tensor:
    """The formula of the paper, written straightforwardly, with weights."""
    present = [k for k in range(K) if bool((y == k).any())]
    means = torch.zeros(K, x.shape[1], dtype=torch.float64)
    for k in present:
        means[k] = (w[y == k][:, None] * x[y == k]).sum(0) / w[y == k].sum()
    for k in set(range(K)) - set(present):
        means[k] = means[present].mean(0)
    apart = x - means[y]
    scatter = (w[:, None] * apart).T @ apart
    level = scatter.trace() / (w.sum() - 1)
    mean = (w * x.square().sum(1)).sum() / w.sum()
    if level <= loo.NEGLIGIBLE * mean:
        level = mean
    inverse = x.shape[1] * torch.linalg.inv(scatter + shrinkage * level * torch.eye(x.shape[1], dtype=torch.float64))
    return means @ inverse @ at - ((means @ inverse) * means).sum(1) / 2


@pytest.mark.parametrize("name", CASES)
def test_gaussians_equal_refitting(name: str) -> None:
    x, y = features()
    case = CASES[name]
    w = case.get("weights", torch.ones(N, dtype=torch.float64))
    found = loo.Gaussians(x, y, K, **case).left_out([0.05, 1.0, 30.0])
    for at, shrinkage in enumerate([0.05, 1.0, 30.0]):
        for row in range(N):
            kept = leaving(case, row)
            expected = refitted(x[kept], y[kept], w[kept], x[row], shrinkage)
            assert ((found[at, row] - expected).abs().max() / expected.abs().max()) < 1e-10


def test_gaussians_where_classes_are_empty_or_become_empty_and_covariances_are_singular() -> None:
    x, _ = features(dim=40)  # fewer rows than features
    y = torch.tensor([0] * 10 + [1] * 15 + [2])  # class 3 has no image, class 2 loses its only one
    x[3] = x[4]
    found = loo.Gaussians(x, y, K).left_out([1.0])[0]
    w = torch.ones(N, dtype=torch.float64)
    for row in range(N):
        kept = torch.arange(N) != row
        expected = refitted(x[kept], y[kept], w[kept], x[row], 1.0)
        assert ((found[row] - expected).abs().max() / expected.abs().max()) < 1e-10


def test_gaussians_of_one_image_a_class_are_nearest_means() -> None:
    x, _ = features(n=K)
    model = loo.Gaussians(x, torch.arange(K), K)
    weight, bias = model.linear(1.0)
    distance = torch.cdist(x, x).square()
    assert torch.equal((x @ weight.T + bias).argmax(1), distance.argmin(1))
    assert torch.isfinite(model.left_out([1.0])).all()


def test_gaussians_fit_equals_the_published_estimate() -> None:
    x, y = features()
    weight, bias = loo.Gaussians(x, y, K).linear(1.0)
    means = torch.stack([x[y == k].mean(0) for k in range(K)])
    covariance = torch.cov((x - means[y]).T)
    inverse = D * torch.linalg.pinv((N - 1) * covariance + covariance.trace() * torch.eye(D, dtype=torch.float64))
    assert torch.allclose(weight, means @ inverse, rtol=1e-9)
    assert torch.allclose(bias, -((means @ inverse) * means).sum(1) / 2, rtol=1e-9)


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


@pytest.mark.parametrize("name", CASES)
def test_gaussians_in_the_span_of_few_rows_equal_refitting(name: str) -> None:
    x, y = features(dim=40)
    case = CASES[name]
    w = case.get("weights", torch.ones(N, dtype=torch.float64))
    model = loo.Gaussians(x, y, K, **case)
    found, (weight, bias) = model.left_out([0.5])[0], model.linear(0.5)
    other = features(seed=1, dim=40)[0]  # outside the span
    for row in range(N):
        kept = leaving(case, row)
        expected = refitted(x[kept], y[kept], w[kept], x[row], 0.5)
        assert ((found[row] - expected).abs().max() / expected.abs().max()) < 1e-10
        expected = refitted(x, y, w, other[row], 0.5)
        assert ((weight @ other[row] + bias - expected).abs().max() / expected.abs().max()) < 1e-10


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
