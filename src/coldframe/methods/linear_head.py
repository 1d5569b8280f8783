"""What methods share that end as one matrix and one bias on the unit feature."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.methods.base import Method


class LinearHead(Method):
    """logits = W f + b on unit features f [B, D], with W [K, D] and b [K]: all that is kept."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight, self.bias = torch.zeros(0, 0), torch.zeros(0)

    def warm(self, x: Tensor) -> Tensor:
        return functional.normalize(x.float(), dim=-1) @ self.weight.T + self.bias  # [B, K]

    def state(self) -> dict[str, Tensor]:
        return {"weight": self.weight, "bias": self.bias}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weight, self.bias = state["weight"], state["bias"]
