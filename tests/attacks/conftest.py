"""A small network with classes that can be told apart and mistaken, and pictures for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

CLASSES = 5


@pytest.fixture
def net() -> nn.Module:
    """Return a network of two convolutions with random weights that still require gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = [nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(128, CLASSES)]
        found = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for layer, factor in ((0, 3), (2, 3), (-1, 6)):
            found[layer].weight.mul_(factor)
    return found


@pytest.fixture
def pictures() -> Tensor:
    """Return 16 pictures [16, 3, 12, 12], multiples of 1/255."""
    levels = torch.randint(0, 256, (16, 3, 12, 12), generator=torch.Generator().manual_seed(1))
    return levels.float() / 255


@pytest.fixture
def labels(net: nn.Module, pictures: Tensor) -> Tensor:
    """Return the classes that the network gives them, [16]."""
    with torch.no_grad():
        return net(pictures).argmax(-1)
