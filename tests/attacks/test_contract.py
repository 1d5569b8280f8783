"""One contract that every attack passes: what is returned is what was judged, within eps, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contracts import check_attack
from torch import Tensor, nn

from coldframe.attacks import PGD, Attack
from coldframe.attacks.pgd import L2PGD, Ascent


def largest(change: Tensor) -> Tensor:
    """Return the largest absolute value of each change [B]."""
    return change.abs().flatten(1).amax(1)


def length(change: Tensor) -> Tensor:
    """Return the Euclidean length of each change [B]."""
    return change.flatten(1).norm(dim=1)


class Own(PGD):
    """An attack as a user writes it: the sign of the gradient where it is large, nothing elsewhere."""

    def _direction(self, gradient: Tensor) -> Tensor:
        large = gradient.abs() >= gradient.abs().mean((1, 2, 3), keepdim=True) / 2
        return gradient.sign() * large


class TooFar(PGD):
    """An attack that breaks its promise: it rounds changes to twice the radius."""

    def _whole(self, change: Tensor) -> Tensor:
        return 2 * super()._whole(change)


@pytest.mark.parametrize(
    ("make", "eps", "size"),
    [
        (lambda eps: PGD(eps, steps=8), 6 / 255, largest),
        (lambda eps: PGD(eps, steps=8, momentum=0.5, random_start=True, restarts=2, seed=3), 6 / 255, largest),
        (lambda eps: Ascent(eps, steps=8), 6 / 255, largest),
        (lambda eps: L2PGD(eps, steps=8), 0.5, length),
        (lambda eps: Own(eps, steps=8), 6 / 255, largest),
    ],
)
def test_contract(
    make: Callable[[float], Attack], eps: float, size: Callable[[Tensor], Tensor], net: nn.Module, pictures: Tensor
) -> None:
    check_attack(make, eps, size, net, pictures)


def test_the_contract_notices_a_change_beyond_eps(net: nn.Module, pictures: Tensor) -> None:
    with pytest.raises(AssertionError):
        check_attack(lambda eps: TooFar(eps, steps=8), 6 / 255, largest, net, pictures)
    assert torch.equal(pictures, pictures.clamp(0, 1))
