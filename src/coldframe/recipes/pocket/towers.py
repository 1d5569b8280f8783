"""Both towers of pocket as they are trained: some patches, some blocks, and texts no longer than need be.

With all patches and all blocks the result is that of open_clip's own ``encode_image`` and ``encode_text``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Block = Callable[..., Tensor]


def patches_of(images: Tensor, patch: int) -> Tensor:
    """Cut images [B, 3, S, S] into patches [B, T, 3 P P], in the order of a convolution's weights."""
    B, C, S, _ = images.shape
    g = S // patch
    return images.view(B, C, g, patch, g, patch).permute(0, 2, 4, 1, 3, 5).reshape(B, g * g, C * patch * patch)


def encode_patches(
    visual: Any, patches: Tensor, kept: Tensor | None, blocks: Sequence[int], block: Block | None = None
) -> Tensor:
    """Return image features before normalisation [B, D].

    Args:
        visual: open_clip's ``VisionTransformer`` with a class token that is read at the end.
        patches: normalised pixels [B, T, 3 P P].
        kept: which patches stay [B, k], or None for all.
        blocks: which blocks run; a block that starts as the identity may stay out until it is trained.
        block: :func:`transformer_block`, or what a compiler made of it.

    Only the class token is computed in the last block after its keys and values: nothing else is read.
    """
    run = block or transformer_block
    position = visual.positional_embedding
    if kept is None:
        places = position[1:]  # [T, D]
    else:
        patches = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[2]))  # [B, k, 3PP]
        places = position[1:][kept]  # [B, k, D]
    x = F.linear(patches, visual.conv1.weight.flatten(1)) + places
    first = (visual.class_embedding + position[0]).expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat((first.to(x.dtype), x), dim=1))  # [B, T, D]
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    for index in blocks:
        x = run(x, index == blocks[-1], *_weights(visual.transformer.resblocks[index]))
    features: Tensor = visual.ln_post(x[:, 0]) @ visual.proj
    return features


def _weights(block: Any) -> tuple[Any, ...]:
    """Return what :func:`transformer_block` takes after its first two arguments."""
    attention, mlp = block.attn, block.mlp
    layers = (block.ln_1, attention.out_proj, block.ln_2, mlp.c_fc, mlp.c_proj)
    pairs = (tensor for layer in layers for tensor in (layer.weight, layer.bias))
    return (attention.num_heads, attention.in_proj_weight, attention.in_proj_bias, *pairs)


def transformer_block(x: Tensor, last: bool, heads: int, weight: Tensor, bias: Tensor, *pairs: Tensor) -> Tensor:
    """Run one block on tokens [B, T, D].

    Args:
        x: the tokens, the class token first.
        last: whether only the class token is returned [B, 1, D].
        heads: number of heads.
        weight: packed projection of queries, keys and values [3D, D].
        bias: of that projection [3D].
        pairs: weight and bias of the first normalisation, the output projection, the second normalisation and the two
            layers of the perceptron.
    """
    w1, b1, wo, bo, w2, b2, wi, bi, wp, bp = pairs
    B, T, D = x.shape
    y = F.layer_norm(x, (D,), w1, b1)
    split = (heads, D // heads)
    if last:
        k, v = F.linear(y, weight[D:], bias[D:]).view(B, T, 2, *split).permute(2, 0, 3, 1, 4)
        q = F.linear(y[:, :1], weight[:D], bias[:D]).view(B, 1, *split).transpose(1, 2)
        x = x[:, :1]
    else:
        q, k, v = F.linear(y, weight, bias).view(B, T, 3, *split).permute(2, 0, 3, 1, 4)  # [B, heads, T, D / heads]
    y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, -1, D)
    x = x + F.linear(y, wo, bo)
    y = F.layer_norm(x, (D,), w2, b2)
    return x + F.linear(F.gelu(F.linear(y, wi, bi)), wp, bp)


def encode_ids(model: Any, ids: Tensor, length: int | None = None) -> Tensor:
    """Return text features before normalisation [K, D]; positions after the longest text are not computed.

    Args:
        model: open_clip's ``CLIP`` with a causal text tower that reads the highest id.
        ids: token ids [K, T].
        length: how many positions are computed, where it is known that no text is longer.
    """
    end = ids.argmax(dim=1)
    T = length or int(end.max()) + 1
    x = model.token_embedding(ids[:, :T]) + model.positional_embedding[:T]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:T, :T]))  # [K, T, D]
    features: Tensor = x[torch.arange(len(x), device=x.device), end] @ model.text_projection
    return features
