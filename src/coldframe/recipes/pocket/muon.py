"""Muon: momentum whose matrices are replaced by the nearest orthogonal ones before each step.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; coefficients of the same work.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return matrices of the same singular vectors with singular values near 1 (Newton-Schulz) [n, rows, columns].

    On a GPU the products are taken in bf16.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if x.is_cuda:
        x = x.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.mT if tall else x
    return result.to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Steps of orthogonalised Nesterov momentum, for matrices and the kernels of convolutions.

    Args:
        params: matrices, and kernels [out, in, k, k] as matrices [out, in k k]; those of the same shape are handled together.
        lr: length of a step, as the spectral norm of the change of a square matrix.
        momentum: share of the last momentum that is kept.
        weight_decay: share of a weight that is removed in a step, per unit of ``lr``.

    A packed projection [3D, D] of queries, keys and values is three matrices.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

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
                changes = orthogonalised(torch.stack([change for _, change in pairs]))
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (target, _), change in zip(pairs, changes, strict=True):
                    target.mul_(1 - group["lr"] * group["weight_decay"]).add_(change.view_as(target), alpha=-scale)
