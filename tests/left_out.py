"""Features, weights and groups for tests of leave-one-out, and which rows are left."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

N, D, K = 26, 7, 4


def features(seed: int = 0, n: int = N, dim: int = D) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % K
    means = torch.randn(K, dim, generator=generator, dtype=torch.float64)
    return means[y] + torch.randn(n, dim, generator=generator, dtype=torch.float64), y


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights": {"weights": torch.linspace(0.5, 2.5, N, dtype=torch.float64)},
    # Rows i and i + K have one class: pairs and one group of three.
    "groups": {"groups": torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, *range(4, 21)])},
    "both": {
        "weights": torch.linspace(0.5, 2.5, N, dtype=torch.float64),
        "groups": torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, *range(4, 21)]),
    },
}


def leaving(case: dict[str, Any], row: int) -> Tensor:
    groups = case.get("groups", torch.arange(N))
    return torch.as_tensor(groups != groups[row])
