"""Optimisers by name, over groups of parameters with learning rates of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from coldframe.errors import InputError, nearest
from coldframe.training.muon import Muon
from coldframe.values import FINITE, FRACTION, POSITIVE

Optimiser = Literal["sgd", "nesterov", "adam", "adamw", "nadam", "radam", "muon"]


@dataclass(frozen=True)
class Group:
    """Parameters that share settings.

    Args:
        parameters: what is trained.
        scale: factor on the learning rate.
        decay: whether weight decay applies.
    """

    parameters: Sequence[Tensor]
    scale: float = 1.0
    decay: bool = True


def build(
    name: Optimiser, groups: Sequence[Group], lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return a torch optimiser.

    Args:
        name: ``sgd`` (with ``momentum``), ``nesterov`` (the same with Nesterov's step), ``adam`` (L2 in the gradient),
            ``adamw``, ``nadam`` or ``radam`` (decoupled decay), ``muon`` (orthogonalised steps for filters).
        groups: what is trained.
        lr: learning rate of a group with scale 1.
        momentum: of ``sgd``, ``nesterov`` and ``muon`` only.
        weight_decay: of the groups with ``decay``.

    Raises:
        InputError: the name is unknown, or a number is out of range.
    """
    lr, momentum = POSITIVE.check("lr", lr), FRACTION.check("momentum", momentum)
    weight_decay = FINITE.check("weight_decay", weight_decay)
    settings = [
        {"params": list(group.parameters), "lr": lr * group.scale, "weight_decay": weight_decay if group.decay else 0.0}
        for group in groups
    ]
    if name in ("sgd", "nesterov"):
        return torch.optim.SGD(settings, lr=lr, momentum=momentum, nesterov=name == "nesterov")
    if name == "muon":
        return Muon(settings, lr=lr, momentum=momentum)
    if name == "adam":
        return torch.optim.Adam(settings, lr=lr)
    if name == "adamw":
        return torch.optim.AdamW(settings, lr=lr)
    if name == "nadam":
        return torch.optim.NAdam(settings, lr=lr, decoupled_weight_decay=True)
    if name == "radam":
        return torch.optim.RAdam(settings, lr=lr, decoupled_weight_decay=True)
    raise InputError(f"unknown optimiser {name!r}{nearest(name, get_args(Optimiser))}")
