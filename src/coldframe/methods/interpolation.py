"""Weights on the line between two states of one network (WiSE-FT): theta = (1 - alpha) theta_0 + alpha theta_1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Mix = float | Literal["auto"] | None
"""alpha in [0, 1], ``"auto"`` to choose among 0, 0.1 .. 1, or None for none."""
STEPS = 10


@torch.no_grad()
def mix(parameters: Mapping[str, Tensor], start: Mapping[str, Tensor], end: Mapping[str, Tensor], alpha: float) -> None:
    """Set ``parameters`` to (1 - alpha) ``start`` + alpha ``end``; to the very bits of either at 0 and at 1."""
    for name, value in parameters.items():
        value.copy_(torch.lerp(start[name], end[name], alpha))


def settle(
    parameters: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    alpha: float | Literal["auto"],
    value: Callable[[], tuple[float, float]] | None,
) -> tuple[float, list[dict[str, float]]]:
    """Mix what was learned with where it started.

    Args:
        parameters: what was learned; it ends at the mixture.
        start: where it started.
        alpha: a number, or ``"auto"`` for the best ``value`` of the eleven mixtures.
        value: of the network as it is: top-1 and cross-entropy on validation images; may be None where alpha is a number.

    Returns:
        alpha, and the values of all mixtures that were tried.
    """
    end = {name: tensor.detach().clone() for name, tensor in parameters.items()}
    path = []
    if alpha == "auto":
        assert value is not None
        for step in range(STEPS + 1):
            mix(parameters, start, end, step / STEPS)
            top1, loss = value()
            path.append({"alpha": step / STEPS, "val_top1": top1, "val_loss": loss})
        alpha = max(path, key=lambda point: (point["val_top1"], -point["val_loss"]))["alpha"]
    mix(parameters, start, end, alpha)
    return alpha, path
