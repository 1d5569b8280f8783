"""What deep prompts take from the tokens of the images: a start like them, and their keys and values in the last block."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from coldframe.backbones.transformer import PreNormBlock, Transformer
from coldframe.cold import Activations

_COUNTED = 256
"""Images whose tokens a start is drawn from, at most."""


@torch.no_grad()
def like_tokens(
    net: Transformer, source: Activations, start: int, depth: int, count: int, generator: torch.Generator
) -> Tensor:
    """Return prompts [depth, P, D], normal with mean and covariance of the patches' tokens entering each block.

    Args:
        net: the network.
        source: tokens entering block ``start`` of the training images.
        start: the first block.
        depth: how many blocks.
        count: P.
        generator: what is drawn with.
    """
    images = min(len(source), _COUNTED)
    rows = torch.arange(images) * len(source) // images
    parts = [source.gather(part) for part in torch.split(rows, 64)]
    found = []
    for index in range(depth):
        if index:
            parts = [net.blocks[start + index - 1](part) for part in parts]
        x = torch.cat([part[:, net.prefix :].flatten(0, 1).float() for part in parts])  # [M, D]
        weights = torch.randn(count, len(x), generator=generator).to(x.device) / math.sqrt(max(len(x) - 1, 1))
        found.append(x.mean(0) + weights @ (x - x.mean(0)))
    return torch.stack(found)


class Keys:
    """What the last block needs of N images: the class token entering it, its query, and the keys and values of all tokens.

    Args:
        last: the last block.
        source: tokens entering it.

    ``columns`` holds the four in this order, each given out by image.
    """

    @torch.no_grad()
    def __init__(self, last: PreNormBlock, source: Activations) -> None:
        parts: list[tuple[Tensor, ...]] = []
        for rows in torch.split(torch.arange(len(source)), 64):
            x = source.gather(rows)
            y = last.norm1(x)
            parts.append((x[:, :1], last.queries(y[:, :1]), *last.keys_values(y)))
        self.columns = tuple(StoredColumn(torch.cat(column)) for column in zip(*parts, strict=True))


class StoredColumn:
    """N tensors in memory, given out by row."""

    note = "in memory"

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def gather(self, indices: Tensor) -> Tensor:
        return self.values[indices.to(self.values.device)]
