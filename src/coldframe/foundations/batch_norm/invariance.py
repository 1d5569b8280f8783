"""How much the bias and the scale of a layer before batch normalisation matter, measured on any torch module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.errors import InputError
from coldframe.folding import find_pairs


@dataclass(frozen=True)
class Change:
    """What a change of one layer does to the outputs of the whole network, its normalisations training.

    Args:
        layer: its name.
        output: largest change of an output, as a share of the largest output.
        along: |w . dL/dw| / (|w| |dL/dw|) of the layer's weight; 0 where the scale does not matter. None for a change of bias.
        bias_gradient: largest gradient of the bias as a share of the largest gradient of the weight; None without a bias.
    """

    layer: str
    output: float
    along: float | None
    bias_gradient: float | None


def scale_invariance(module: nn.Module, x: Tensor, factor: float = 10.0) -> list[Change]:
    """Multiply weight and bias of each layer that is followed by batch normalisation by ``factor``, one layer at a time.

    Args:
        module: any module that torch.fx can follow; a copy is measured, its normalisations training.
        x: a batch, B >= 2.
        factor: a > 0.

    Returns:
        One change a layer; about eps / variance where the scale cancels.

    Raises:
        InputError: the factor is not above 0, or no layer is followed by batch normalisation.
    """
    if not factor > 0:
        raise InputError(f"expected a factor above 0, found {factor}; a negative one turns the sign of every output")

    def scale(layer: nn.Module) -> None:
        for parameter in layer.parameters(recurse=False):
            parameter.mul_(factor)

    return _measure(module, x, scale, of_weight=True)


def bias_redundancy(module: nn.Module, x: Tensor, shift: float = 10.0) -> list[Change]:
    """Add ``shift`` to the bias of each layer that is followed by batch normalisation, one layer at a time; 0 where it cancels.

    Args:
        module: any module that torch.fx can follow; a copy is measured. Layers without a bias are given one.
        x: a batch, B >= 2.
        shift: what is added.
    """

    def move(layer: nn.Module) -> None:
        cast(Tensor, layer.bias).add_(shift)

    return _measure(module, x, move, of_weight=False)


def _measure(module: nn.Module, x: Tensor, change: Callable[[nn.Module], None], *, of_weight: bool) -> list[Change]:
    pairs = find_pairs(module)
    if not pairs:
        raise InputError("expected a layer followed by batch normalisation, found none; see find_pairs")
    found = []
    for pair in pairs:
        # Dropout would change the outputs by itself, so only the normalisations train.
        changed = copy.deepcopy(module).eval()
        for part in changed.modules():
            part.training = isinstance(part, _BatchNorm)
        layer: Any = changed.get_submodule(pair.layer)
        weight: nn.Parameter = layer.weight
        if layer.bias is None:
            layer.bias = nn.Parameter(weight.new_zeros(cast(int, changed.get_submodule(pair.norm).num_features)))
        layer.requires_grad_(True)
        before = changed(x)
        # A plain sum would be constant behind a normalisation: its outputs add up to the same whatever the weights are.
        loss = (before * torch.linspace(-1, 1, before.numel()).to(before).reshape(before.shape)).sum()
        dw, db = torch.autograd.grad(loss, [weight, layer.bias])
        along = (weight.detach() * dw).sum().abs() / (weight.detach().norm() * dw.norm()) if of_weight else None
        with torch.no_grad():
            change(layer)
            before = before.detach()
            difference = (changed(x) - before).abs().max() / before.abs().max()
        found.append(
            Change(
                pair.layer,
                float(difference),
                None if along is None else float(along),
                float(db.abs().max() / dw.abs().max()),
            )
        )
    return found
