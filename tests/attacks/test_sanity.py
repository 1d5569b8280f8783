"""Warnings about models whose gradients or outputs mislead an attack."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from coldframe.attacks import PGD, AttackWarning
from coldframe.attacks.sanity import examine, examine_gradient
from coldframe.errors import InputError


def test_a_sound_model_gives_no_warning(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert examine(net, pictures) == 5
        PGD(2 / 255, steps=1)(net, pictures, labels)


def test_random_outputs(net: nn.Module, pictures: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    with pytest.warns(AttackWarning, match="different outputs for the same image"):
        examine(lambda x: net(x + 0.1 * torch.rand(x.shape, generator=generator)), pictures)


def test_probabilities(net: nn.Module, pictures: Tensor) -> None:
    with pytest.warns(AttackWarning, match="probabilities where logits were expected"):
        examine(lambda x: net(x).softmax(-1), pictures)


def test_zero_gradients(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    with pytest.warns(AttackWarning, match="zero in every pixel of 16 of 16 images"):
        found = PGD(2 / 255, steps=2)(lambda x: net(x.round() + 0 * x), pictures, net(pictures.round()).argmax(-1))
    assert not found.fooled.any()


@pytest.mark.parametrize("shape", [(1, 1), (1,), (2, 5), (1, 5, 2)])
def test_outputs_that_are_no_logits(pictures: Tensor, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected logits \[B, K\]"):
        examine(lambda x: torch.zeros(shape), pictures)


def test_infinite_logits(pictures: Tensor) -> None:
    with pytest.raises(InputError, match="finite logits"):
        examine(lambda x: torch.full((1, 5), torch.inf), pictures)


@pytest.mark.parametrize(("logits", "warned"), [
    ([1.0, 0.0], True), ([0.5, 0.5009], True), ([0.5, 0.5011], False), ([0.5, 0.4991], True),
    ([2.0, -1.0], False), ([3.0, 1.0], False),
])  # fmt: skip
def test_what_looks_like_probabilities(pictures: Tensor, logits: list[float], warned: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert examine(lambda x: torch.tensor([logits]), pictures) == 2
    assert [issubclass(each.category, AttackWarning) for each in found] == [True] * warned


def test_a_warning_names_the_line_that_called_the_attack(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    with pytest.warns(AttackWarning) as found:
        PGD(2 / 255, steps=1)(lambda x: net(x).softmax(-1), pictures, labels)
    assert found[0].filename == __file__


def test_dead_gradients_are_counted(pictures: Tensor) -> None:
    gradient = torch.zeros(3, 3, 2, 2)
    gradient[1, 2, 1, 1] = 1
    with pytest.warns(AttackWarning, match="every pixel of 2 of 3 images"):
        examine_gradient(gradient)
