"""Features in memory that are told to be elsewhere, for what reads them again in each pass."""

from __future__ import annotations

import torch
from torch import Tensor

from coldframe.methods.rows import Rows

N, D, K = 120, 7, 4


class Kept:
    """Activations in memory that are told to be elsewhere."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.note = x, ""

    def __len__(self) -> int:
        return len(self.x)

    def gather(self, indices: Tensor) -> Tensor:
        return self.x[indices]


def drawn() -> tuple[Tensor, Tensor, Rows]:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(K, (N,), generator=generator)
    x = torch.randn(K, D, generator=generator)[y] + torch.randn(N, D, generator=generator) + 2
    return x, y, Rows.of([Kept(x[:50]), Kept(x[50:])])
