"""Muon: steps along orthogonal matrices, for the filters of convolutional networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from coldframe.values import FINITE, FRACTION, POSITIVE

STEPS = 3
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: Tensor, steps: int = STEPS, *, half: bool = False) -> Tensor:
    """Return matrices with the singular vectors of the given ones and singular values near 1.

    With the Frobenius norm taken off, each step is X <- a X + b (X X^T) X + c (X X^T)^2 X, which maps a singular value s to
    a s + b s^3 + c s^5: small ones grow by 3.4 at each step, until they are between 0.6 and 1.3 and stay there.

    Args:
        matrices: [..., R, C]; each of the last two dimensions by itself.
        steps: of the iteration.
        half: whether the products are taken in bf16.

    Source: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = _COEFFICIENTS
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT) / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16() if half else x
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x if wide else x.mT
    return result.to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov momentum whose steps for filters are orthogonalised.

    A tensor of three or more dimensions, filters [F, ...], is seen as a matrix of F rows: before each step it is scaled to the
    norm sqrt(F), and the step is :func:`orthogonalised`, so that no direction is left behind. It does not decay, as its norm is
    fixed: use it before batch normalisation. Vectors and matrices take the plain Nesterov step, with decay in the gradient.

    Args:
        parameters: tensors, or groups of them with learning rates of their own.
        lr: learning rate.
        momentum: of all of them.
        weight_decay: of vectors and matrices.

    Raises:
        InputError: a number is out of range.

    Source: as in :func:`orthogonalised`; the fixed norm is that of the same author's airbench.
    """

    def __init__(self, parameters: Iterable[Any], lr: float, momentum: float = 0.6, weight_decay: float = 0.0) -> None:
        checked = {"lr": POSITIVE.check("lr", lr), "momentum": FRACTION.check("momentum", momentum)}
        super().__init__(parameters, checked | {"weight_decay": FINITE.check("weight_decay", weight_decay)})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; ``closure``, where given, computes the loss and the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for value in group["params"]:
                if value.grad is None:
                    continue
                filters = value.ndim > 2
                gradient = value.grad if filters else value.grad.add(value, alpha=group["weight_decay"])
                state = self.state[value]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(value)
                buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
                move = gradient.add(buffer, alpha=momentum)
                if filters:
                    value.mul_(len(value) ** 0.5 / value.norm().clamp(min=1e-12))
                    move = orthogonalised(move.reshape(len(move), -1)).view(value.shape)
                value.add_(move, alpha=-lr)
        return loss
