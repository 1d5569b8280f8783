"""Gaussian discriminant analysis equals the published formula, and refitting without the image, for every image."""

from __future__ import annotations

import pytest
import torch
from left_out import CASES, D, K, N, features, leaving
from torch import Tensor

from coldframe.measures import gaussians


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
    if level <= gaussians.NEGLIGIBLE * mean:
        level = mean
    inverse = x.shape[1] * torch.linalg.inv(scatter + shrinkage * level * torch.eye(x.shape[1], dtype=torch.float64))
    return means @ inverse @ at - ((means @ inverse) * means).sum(1) / 2


@pytest.mark.parametrize("name", CASES)
def test_gaussians_equal_refitting(name: str) -> None:
    x, y = features()
    case = CASES[name]
    w = case.get("weights", torch.ones(N, dtype=torch.float64))
    found = gaussians.Gaussians(x, y, K, **case).left_out([0.05, 1.0, 30.0])
    for at, shrinkage in enumerate([0.05, 1.0, 30.0]):
        for row in range(N):
            kept = leaving(case, row)
            expected = refitted(x[kept], y[kept], w[kept], x[row], shrinkage)
            assert ((found[at, row] - expected).abs().max() / expected.abs().max()) < 1e-10


def test_gaussians_where_classes_are_empty_or_become_empty_and_covariances_are_singular() -> None:
    x, _ = features(dim=40)  # fewer rows than features
    y = torch.tensor([0] * 10 + [1] * 15 + [2])  # class 3 has no image, class 2 loses its only one
    x[3] = x[4]
    found = gaussians.Gaussians(x, y, K).left_out([1.0])[0]
    w = torch.ones(N, dtype=torch.float64)
    for row in range(N):
        kept = torch.arange(N) != row
        expected = refitted(x[kept], y[kept], w[kept], x[row], 1.0)
        assert ((found[row] - expected).abs().max() / expected.abs().max()) < 1e-10


def test_gaussians_of_one_image_a_class_are_nearest_means() -> None:
    x, _ = features(n=K)
    model = gaussians.Gaussians(x, torch.arange(K), K)
    weight, bias = model.linear(1.0)
    distance = torch.cdist(x, x).square()
    assert torch.equal((x @ weight.T + bias).argmax(1), distance.argmin(1))
    assert torch.isfinite(model.left_out([1.0])).all()


def test_gaussians_fit_equals_the_published_estimate() -> None:
    x, y = features()
    weight, bias = gaussians.Gaussians(x, y, K).linear(1.0)
    means = torch.stack([x[y == k].mean(0) for k in range(K)])
    covariance = torch.cov((x - means[y]).T)
    inverse = D * torch.linalg.pinv((N - 1) * covariance + covariance.trace() * torch.eye(D, dtype=torch.float64))
    assert torch.allclose(weight, means @ inverse, rtol=1e-9)
    assert torch.allclose(bias, -((means @ inverse) * means).sum(1) / 2, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_gaussians_in_the_span_of_few_rows_equal_refitting(name: str) -> None:
    x, y = features(dim=40)
    case = CASES[name]
    w = case.get("weights", torch.ones(N, dtype=torch.float64))
    model = gaussians.Gaussians(x, y, K, **case)
    found, (weight, bias) = model.left_out([0.5])[0], model.linear(0.5)
    other = features(seed=1, dim=40)[0]  # outside the span
    for row in range(N):
        kept = leaving(case, row)
        expected = refitted(x[kept], y[kept], w[kept], x[row], 0.5)
        assert ((found[row] - expected).abs().max() / expected.abs().max()) < 1e-10
        expected = refitted(x, y, w, other[row], 0.5)
        assert ((weight @ other[row] + bias - expected).abs().max() / expected.abs().max()) < 1e-10


def test_rows_are_left_out_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features()
    model = gaussians.Gaussians(x, y, K, groups=CASES["groups"]["groups"])
    whole = model.left_out([0.5, 2.0])
    monkeypatch.setattr(gaussians, "ROWS", 7)
    assert torch.allclose(model.left_out([0.5, 2.0]), whole) and whole.shape == (2, N, K)
