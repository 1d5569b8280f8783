"""Orthogonalised momentum."""

from __future__ import annotations

import torch

from coldframe.recipes.pocket.muon import Muon
from coldframe.training.muon import orthogonalised


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


def test_two_steps_are_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    start, one, two = torch.randn(3, 12, 5, generator=generator)
    weight = torch.nn.Parameter(start.clone())
    optimiser = Muon([weight], lr=0.1, momentum=0.8, weight_decay=0.5)
    expected, buffer = start.clone(), torch.zeros(12, 5)
    for gradient in (one, two):
        weight.grad = gradient.clone()
        optimiser.step()
        buffer = 0.8 * buffer + 0.2 * gradient
        change = orthogonalised(0.2 * gradient + 0.8 * buffer, 5)
        expected = (1 - 0.1 * 0.5) * expected - 0.1 * (12 / 5) ** 0.5 * change
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-6)
    wide = torch.nn.Parameter(torch.zeros(5, 12))
    wide.grad = one.T.clone()
    Muon([wide], lr=0.1).step()
    torch.testing.assert_close(wide.detach(), -0.1 * orthogonalised(one.T, 5), rtol=1e-4, atol=1e-5)
