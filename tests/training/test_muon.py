"""Muon: orthogonal steps, the fixed norm of filters, and the plain step of everything else."""

from __future__ import annotations

import pytest
import torch

from coldframe.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 20), (20, 8)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrix, steps=8)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    mapped = u.T @ found @ v.T  # diagonal where the singular vectors are the same
    diagonal = mapped.diagonal()
    assert found.shape == shape and torch.allclose(mapped, torch.diag(diagonal), atol=1e-9)
    assert float(diagonal.min()) > 0.6
    assert float(diagonal.max()) < 1.3


def test_a_step_does_not_depend_on_the_size_of_the_gradient_of_filters() -> None:
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    moved = []
    for scale in (1.0, 1e-3):
        value = torch.nn.Parameter(torch.ones(4, 2, 3, 3))
        value.grad = scale * gradient
        Muon([value], lr=0.1).step()
        moved.append(value.detach())
    assert torch.allclose(*moved, atol=1e-4)
    before = torch.full((4, 2, 3, 3), 2 / 72**0.5)  # the norm of four rows is 2
    assert torch.allclose(moved[0], before - 0.1 * orthogonalised(1.6 * gradient.reshape(4, -1)).view(4, 2, 3, 3), atol=1e-5)


def test_matrices_and_vectors_take_the_step_of_sgd() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in ((3, 5), (4,))]
    runs = []
    for kind, more in ((Muon, {}), (torch.optim.SGD, {"nesterov": True})):
        values = [torch.nn.Parameter(value.clone()) for value in start]
        optimiser = kind(values, lr=0.1, momentum=0.6, weight_decay=0.01, **more)  # type: ignore[operator]
        for _ in range(3):
            optimiser.zero_grad()
            sum((value**3).sum() for value in values).backward()  # type: ignore[union-attr]
            optimiser.step()
        runs.append(values)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*runs, strict=True))


def test_zero_filters_and_zero_gradients_stay_finite() -> None:
    value = torch.nn.Parameter(torch.zeros(2, 3, 3))
    value.grad = torch.zeros(2, 3, 3)
    optimiser = Muon([value], lr=0.1)
    assert optimiser.step(lambda: 4.0) == 4.0
    assert torch.equal(value, torch.zeros(2, 3, 3))


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 64)])
def test_each_matrix_of_several_comes_near_an_orthogonal_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalised(matrix, steps=5)
    values = torch.linalg.svdvals(result)
    assert 0.4 < values.min() <= values.max() < 1.4
    u, _, v = torch.linalg.svd(matrix[0], full_matrices=False)
    diagonal = u.T @ result[0] @ v.T
    assert (diagonal - torch.diag(diagonal.diag())).abs().max() < 1e-3
