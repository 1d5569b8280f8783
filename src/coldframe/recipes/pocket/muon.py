"""Muon: momentum whose matrices are replaced by the nearest orthogonal ones before each step.

Source: as in :mod:`coldframe.training.muon`, whose iteration it takes; on a GPU its products are taken in bf16.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from coldframe.training.muon import orthogonalised
from coldframe.values import FINITE, FRACTION, POSITIVE

ORTHOGONAL_STEPS = 5
"""Of the iteration that makes a change orthogonal."""


class Muon(torch.optim.Optimizer):
    """Steps of orthogonalised Nesterov momentum, for matrices and the kernels of convolutions.

    Args:
        params: matrices, and kernels [out, in, k, k] as matrices [out, in k k]; those of the same shape are handled together.
        lr: length of a step, as the spectral norm of the change of a square matrix.
        momentum: share of the last momentum that is kept.
        weight_decay: share of a weight that is removed in a step, per unit of ``lr``.

    A packed projection [3D, D] of queries, keys and values is three matrices.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        checked = {"lr": POSITIVE.check("lr", lr), "momentum": FRACTION.check("momentum", momentum)}
        super().__init__(list(params), checked | {"weight_decay": FINITE.check("weight_decay", weight_decay)})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step; parameters without a gradient stay."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"])
                parts = 3 if p.ndim == 2 and p.shape[0] == 3 * p.shape[1] else 1
                for target, change in zip(p.chunk(parts), update.flatten(1).chunk(parts), strict=True):
                    shapes.setdefault((change.shape[0], change.shape[1]), []).append((target, change))
            for (rows, columns), pairs in shapes.items():
                stacked = torch.stack([change for _, change in pairs])  # [n, rows, columns]
                changes = orthogonalised(stacked, ORTHOGONAL_STEPS, half=stacked.is_cuda)
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (target, _), change in zip(pairs, changes, strict=True):
                    target.mul_(1 - group["lr"] * group["weight_decay"]).add_(change.view_as(target), alpha=-scale)
