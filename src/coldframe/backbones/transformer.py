"""A vision transformer as tokens and blocks: what is needed to put tokens of one's own in, and to compute no more than is read.

A block of the usual kind (layer norm first) is taken apart into its projections, so that it can be run for some of its
tokens only and on keys and values that are already there. Blocks of other kinds run whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coldframe.backbones.base import Backbone
from coldframe.backbones.chain import ChainBackbone
from coldframe.errors import ModelError
from coldframe.types import EMBED, block

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Block:
    """One block as a function of tokens [B, T, D], which runs whole.

    Args:
        whole: the network's own block.
    """

    whole: Call

    def __call__(self, x: Tensor, rows: slice | None = None) -> Tensor:
        """Return the block's output [B, T, D], or at the tokens ``rows`` only."""
        y = self.whole(x)
        return y if rows is None else y[:, rows]


@dataclass(frozen=True)
class RotaryBlock(Block):
    """A block that turns queries and keys of the patches by their places in the image, which stand at the end.

    Whatever comes before the patches (class token, registers, prompts) has no place and is not turned.

    Args:
        patches: how many tokens stand for patches.
        counting: the modules that know the number of tokens before the patches, as ``num_prefix_tokens``.
    """

    patches: int
    counting: tuple[Any, ...]

    def __call__(self, x: Tensor, rows: slice | None = None) -> Tensor:
        before = [module.num_prefix_tokens for module in self.counting]
        try:
            for module in self.counting:
                module.num_prefix_tokens = x.shape[1] - self.patches
            return super().__call__(x, rows)
        finally:
            for module, count in zip(self.counting, before, strict=True):
                module.num_prefix_tokens = count


@dataclass(frozen=True)
class PreNormBlock(Block):
    """x + scale1(out(attention(norm1(x)))), then + scale2(mlp(norm2(.))).

    Args:
        norm1: [.., D] -> [.., D].
        weight: of queries, keys and values, one after the other [3 H d, D].
        bias: of the same [3 H d], or None.
        heads: H.
        query_norm: on queries [B, H, T, d].
        key_norm: on keys [B, H, T, d].
        out: from attention [.., H d] to [.., D].
        scale1: after ``out``.
        norm2: before the perceptron.
        mlp: the perceptron.
        scale2: after the perceptron.
    """

    norm1: Call
    weight: Tensor
    bias: Tensor | None
    heads: int
    query_norm: Call
    key_norm: Call
    out: Call
    scale1: Call
    norm2: Call
    mlp: Call
    scale2: Call

    def __call__(self, x: Tensor, rows: slice | None = None) -> Tensor:
        """Return the block's output [B, T, D], or at the tokens ``rows`` only: keys and values of all, the rest of those."""
        if rows is None:
            return self.whole(x)
        y = self.norm1(x)
        return self.attend(x[:, rows], self.queries(y[:, rows]), *self.keys_values(y))

    def queries(self, y: Tensor) -> Tensor:
        """Return the queries [B, H, T, d] of normalised tokens [B, T, D]."""
        return self.query_norm(self._project(y, 0, 1)[0])

    def keys_values(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values [B, H, T, d] of normalised tokens [B, T, D]."""
        k, v = self._project(y, 1, 3)
        return self.key_norm(k), v

    def attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the block's output at tokens x [B, R, D] whose queries are q [B, H, R, d], on given keys and values."""
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # [B, R, H d]
        x = x + self.scale1(self.out(y))
        return x + self.scale2(self.mlp(self.norm2(x)))

    def _project(self, y: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        inner = len(self.weight) // 3
        part = slice(first * inner, last * inner)
        z = F.linear(y, self.weight[part], None if self.bias is None else self.bias[part])
        B, T, _ = y.shape
        return torch.unbind(z.view(B, T, last - first, self.heads, -1).permute(2, 0, 3, 1, 4))  # each [B, H, T, d]


@dataclass(frozen=True)
class Transformer:
    """The blocks of a backbone and what comes after them.

    Args:
        blocks: one for each cut ``block{L}``.
        end: tokens after the last block [B, T, D] -> features [B, D'].
        reads: how many tokens at the front ``end`` looks at; None for all of them.
        prefix: tokens at the front that stand for no patch (class token, registers).
        tokens: T of an image.
        width: D.
        patch: pixels on a side of a patch.
        rotary: whether patches know their places by rotation, so that tokens of one's own must come before them.
    """

    blocks: tuple[Block, ...]
    end: Call
    reads: int | None
    prefix: int
    tokens: int
    width: int
    patch: int
    rotary: bool = False

    def features(self, x: Tensor, start: int = 0) -> Tensor:
        """Run tokens entering block ``start`` [B, T, D] to features [B, D'], the last block only where it is read."""
        *before, last = self.blocks[start:]
        for each in before:
            x = each(x)
        return self.end(last(x, None if self.reads is None else slice(0, self.reads)))


def transformer_or_none(backbone: Backbone) -> Transformer | None:
    """Return a backbone as a transformer, or None where it is not one."""
    try:
        return transformer_of(backbone)
    except ModelError:
        return None


def transformer_of(backbone: Backbone, what: str = "deep prompts") -> Transformer:
    """Return a backbone as a transformer that takes tokens of one's own.

    Args:
        backbone: any.
        what: what is to be done with it, for the error.

    Raises:
        ModelError: it is none, or the number of its tokens is fixed.
    """
    kind = f"expected a vision transformer for {what}, found {backbone.name}"
    other = "choose pixel-prompt, linear-probe or fine-tune, or another model"
    if not isinstance(backbone, ChainBackbone) or EMBED not in backbone.cuts or not backbone.layers:
        raise ModelError(f"{kind}, which is not one; {other}")
    side = backbone.preprocess.size
    blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
    with torch.no_grad():
        taps = backbone.taps(blank, [EMBED, block(0), block(backbone.layers - 1)])
    grid, first, last = taps[EMBED], taps[block(0)], taps[block(backbone.layers - 1)]
    patches = grid.shape[-2] * grid.shape[-1] if grid.dim() == 4 else 0
    if first.dim() != 3 or first.shape != last.shape or not 0 <= first.shape[1] - patches < 32:
        raise ModelError(f"{kind}, whose blocks do not take a sequence of tokens; {other}")
    rotary = any(getattr(module, "rope", None) is not None for module in backbone.module.modules())
    chains = [backbone.links(block(layer)) for layer in range(backbone.layers)]
    blocks = tuple(_rotary(backbone, layer, patches) if rotary else _block(backbone, layer) for layer in range(backbone.layers))
    if rotary and not all(isinstance(each, RotaryBlock) for each in blocks):
        raise ModelError(f"{kind}, whose rotary positions are not told from tokens without one; {other}")

    after = backbone.cuts[backbone.index(block(backbone.layers - 1)) + 1 :]
    ending = [*chains[-1][1:], *(link for cut in after for link in backbone.links(cut))]

    def end(x: Tensor) -> Tensor:
        for link in ending:
            x = link(backbone.module, x)
        return x

    _check_length(blocks, first, kind, other)
    tokens, width = int(first.shape[1]), int(first.shape[2])
    return Transformer(blocks, end, _reads(end, first), tokens - patches, tokens, width, side // int(grid.shape[-1]), rotary)


@torch.no_grad()
def _check_length(blocks: tuple[Block, ...], x: Tensor, kind: str, other: str) -> None:
    try:
        same = blocks[0](torch.cat([x[:, :1], x], dim=1)).shape[1] == x.shape[1] + 1
    except (RuntimeError, IndexError, ValueError):
        same = False
    if not same:
        raise ModelError(f"{kind}, whose number of tokens is fixed; {other}")


@torch.no_grad()
def _reads(end: Call, x: Tensor) -> int | None:
    """Find whether the end looks at the first token only, by changing all others."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape, generator=generator).to(x.device, x.dtype)
    other = torch.cat([noise[:, :1], noise[:, 1:].flip(1) + 1], dim=1)
    return 1 if torch.equal(end(noise), end(other)) else None


def _rotary(backbone: ChainBackbone, layer: int, patches: int) -> Block:
    link = backbone.links(block(layer))[0]
    own: Any = backbone.module.get_submodule(link.owns[0])
    network: Any = backbone.module.get_submodule(link.owns[0].rpartition(".blocks.")[0])  # "" is the module itself
    counting = tuple(module for module in (network, *own.modules()) if hasattr(module, "num_prefix_tokens"))

    def whole(x: Tensor) -> Tensor:
        return link(backbone.module, x)

    turning = any(hasattr(module, "num_prefix_tokens") for module in own.modules())
    return RotaryBlock(whole, patches, counting) if turning else Block(whole)


def _block(backbone: ChainBackbone, layer: int) -> Block:
    link = backbone.links(block(layer))[0]

    def whole(x: Tensor) -> Tensor:
        return link(backbone.module, x)

    module: Any = backbone.module.get_submodule(link.owns[0])
    name = f"{type(module).__module__.partition('.')[0]}.{type(module).__name__}"
    if name == "open_clip.ResidualAttentionBlock" and not hasattr(module, "ln_1_kv"):
        return _open_clip(module, whole)
    if name == "timm.Block" and type(module.attn).__name__ == "Attention" and module.attn.gate is None:
        return _timm(module, whole)
    if name == "torchvision.EncoderBlock":
        return _torchvision(module, whole)
    return Block(whole)


def _same(x: Tensor) -> Tensor:
    return x


def _open_clip(m: Any, whole: Call) -> PreNormBlock:
    a = m.attn
    return PreNormBlock(
        whole, m.ln_1, a.in_proj_weight, a.in_proj_bias, a.num_heads, _same, _same, a.out_proj, m.ls_1, m.ln_2, m.mlp, m.ls_2
    )


def _timm(m: Any, whole: Call) -> PreNormBlock:
    a = m.attn
    out = nn.Sequential(a.norm, a.proj)
    return PreNormBlock(
        whole, m.norm1, a.qkv.weight, a.qkv.bias, a.num_heads, a.q_norm, a.k_norm, out, m.ls1, m.norm2, m.mlp, m.ls2
    )


def _torchvision(m: Any, whole: Call) -> PreNormBlock:
    a = m.self_attention
    return PreNormBlock(
        whole, m.ln_1, a.in_proj_weight, a.in_proj_bias, a.num_heads, _same, _same, a.out_proj, _same, m.ln_2, m.mlp, _same
    )


