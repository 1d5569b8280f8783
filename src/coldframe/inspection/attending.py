"""Attention maps of vision transformers, read while the network runs, whatever class computes them.

Every implementation ends in one of three functions: torch's fused attention, torch's multi-head attention, or a softmax over
keys. They are watched while one image passes; the network's output does not change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError
from coldframe.inspection.layers import grid_of

_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)


class Watching(TorchFunctionMode):
    """Inside this context every attention matrix [B, heads, T, T'] is kept in ``found``, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let the call pass, and keep the attention that it computes."""
        kwargs = dict(kwargs or {})
        if func is F.multi_head_attention_forward:
            wanted, mean = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
            output, weights = func(*args, **kwargs | {"need_weights": True, "average_attn_weights": False})
            assert weights is not None
            self.found.append(weights)
            return output, None if not wanted else weights.mean(1) if mean else weights
        if func is F.scaled_dot_product_attention:
            self.found.append(_weights(*args, **kwargs))
        result = func(*args, **kwargs)
        if func in _SOFTMAX and result.dim() == 4:
            self.found.append(result)
        return result


def _weights(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *_: Any, scale: float | None = None, **__: Any
) -> Tensor:
    """Return softmax(scale Q K^T + mask), what fused attention never writes down: [B, heads, T, T']."""
    scores = (query.float() @ key.float().transpose(-2, -1)) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)


@torch.no_grad()
def by_block(backbone: Backbone, image: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the attention of each block, one at a time: cut before the block, weights [heads, T, T]; nothing without attention.

    Args:
        backbone: a vision transformer that attends from all tokens to all tokens.
        image: uint8 or floats in [0, 1], [3, S, S].

    Raises:
        ModelError: a block attends inside windows, or to fewer tokens.
    """
    x, tokens = backbone.normalise(image[None]), 0
    for cut, after in pairwise(backbone.cuts):
        with Watching() as watch:
            x = backbone.run(x, cut, after)
        # A single query, or a few, belong to a pooling, which comes after the last block.
        square = [weights for weights in watch.found if weights.shape[-1] == weights.shape[-2]]
        for number, weights in enumerate(square):
            tokens = tokens or weights.shape[-1]
            if len(weights) > 1 or weights.shape[-1] != tokens:
                raise ModelError(_not_defined(backbone, cut))
            yield (cut if len(square) == 1 else f"{cut}, {number}"), weights[0].float()


def _not_defined(backbone: Backbone, cut: str) -> str:
    return (
        f"attention rollout is not defined for {backbone.name}: in {cut} each token attends to a window or fewer tokens, not "
        "to the whole image, so the blocks' matrices cannot be multiplied; token norms are drawn instead"
    )


@dataclass(frozen=True, eq=False)
class Attention:
    """Where a transformer attends.

    Args:
        reader: whose attention it is, in words: the class token's, or the mean over patches.
        heads: cut before the block -> attention to each patch, one map a head [heads, H, W].
        rollout: attention through all blocks to each patch [H, W]; sums to the share that does not stay with special tokens.
    """

    reader: str
    heads: dict[str, NDArray[np.float32]]
    rollout: NDArray[np.float32]


def rolled(weights: Iterable[Tensor]) -> Tensor:
    """Return attention rollout R [T, T]: the product over blocks of (mean over heads of A + I) / 2, later ones on the left.

    Args:
        weights: attention of each block [heads, T, T], first block first; rows sum to 1.

    Source: Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020, section 3.

    Example:
        >>> rolled([torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])])
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    result: Tensor | None = None
    for block in weights:
        mixed = (block.mean(0) + torch.eye(block.shape[-1], device=block.device)) / 2
        mixed = mixed / mixed.sum(-1, keepdim=True)
        result = mixed if result is None else mixed @ result
    if result is None:
        raise InputError("expected the attention of at least one block, found none")
    return result


def attention(backbone: Backbone, image: Tensor) -> Attention | None:
    """Return attention maps per head and attention rollout of one image; None for networks without attention.

    They are the class token's where there is one (the first token before the patches); else the mean over all patches.

    Args:
        backbone: a vision transformer with global attention.
        image: uint8 or floats in [0, 1], [3, S, S].

    Raises:
        ModelError: rollout is not defined for the network, because it attends inside windows.
    """
    found = by_block(backbone, image)
    first = next(found, None)
    if first is None:
        return None
    grid = grid_of(backbone)
    heads: dict[str, Tensor] = {}
    special = 0

    def passing() -> Iterator[Tensor]:
        nonlocal grid, special
        for cut, weights in chain([first], found):
            side = math.isqrt(weights.shape[-1])
            grid = grid or (side, side)
            special = weights.shape[-1] - grid[0] * grid[1]
            heads[cut] = _read(weights, special).unflatten(-1, grid).cpu()  # type: ignore[no-untyped-call]
            yield weights

    whole = rolled(passing())
    assert grid is not None
    rollout: Tensor = _read(whole, special).unflatten(-1, grid).cpu()  # type: ignore[no-untyped-call]
    reader = "the class token" if special else "the mean over all patches"
    return Attention(reader, {cut: rows.numpy() for cut, rows in heads.items()}, rollout.numpy())


def _read(weights: Tensor, special: int) -> Tensor:
    """Return the attention to the patches [..., H W] of the first token, or of the mean patch where all are patches."""
    row = weights[..., 0, :] if special else weights.mean(-2)
    return row[..., special:]
