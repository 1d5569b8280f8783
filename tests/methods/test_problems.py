"""The loss that reads features piece by piece against the loss of all of them in memory."""

from __future__ import annotations

import pytest
import torch
from kept_rows import D, K, N, drawn
from torch import Tensor

from coldframe.methods import rows, solvers
from coldframe.methods.problems import InMemory, Read


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_the_loss_and_its_gradients_are_those_of_all_features(
    several: bool, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_PIECE_BYTES", 4 * D * 32)
    x, y, read = drawn()
    basis = solvers.Basis.of(x)
    truth = torch.stack([y == 1, y < 2, y > 2, y == 0], 1).double() if several else y
    weights = (torch.rand(N, K) if several else torch.rand(N)).double() + 0.5 if weighted else None
    generator = torch.Generator().manual_seed(1)
    weight, bias = (torch.randn(*shape, generator=generator).double() for shape in ((K, D), (K,)))
    found: list[tuple[Tensor, ...]] = []
    for problem in (InMemory(basis.rotate(x), truth, weights), Read(read, truth, weights, basis.mean, basis.vectors)):
        at = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        loss = 3 * problem.loss(*at)
        found.append((loss.detach(), *torch.autograd.grad(loss, at), torch.tensor(problem.curvature(weight, bias))))
    for held, again in zip(*found, strict=True):
        assert torch.allclose(held, again, rtol=1e-10, atol=1e-12)
