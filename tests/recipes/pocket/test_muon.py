"""Orthogonalised momentum."""

from __future__ import annotations

import torch

from coldframe.recipes.pocket.muon import Muon


def test_it_fits_a_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(24, 8, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(24, 8))
    optimiser = Muon([weight], lr=0.1)
    for step in range(120):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 120)
        optimiser.zero_grad()
        ((weight - target) ** 2).sum().backward()
        optimiser.step()
    assert (weight - target).abs().max() < 0.3


def test_packed_projections_are_three_matrices() -> None:
    gradient = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
    packed, alone = torch.nn.Parameter(torch.zeros(24, 8)), torch.nn.Parameter(torch.zeros(8, 8))
    packed.grad, alone.grad = gradient.clone(), gradient[8:16].clone()
    for parameter in (packed, alone):
        Muon([parameter], lr=0.1).step()
    torch.testing.assert_close(packed[8:16], alone)


def test_a_parameter_without_a_gradient_stays() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    Muon([weight], lr=0.1, weight_decay=1.0).step()
    assert bool((weight == 1).all())
