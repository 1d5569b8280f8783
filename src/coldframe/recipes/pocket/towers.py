"""Both towers of pocket as they are trained: some patches, some blocks, and texts no longer than need be.

With all patches and all blocks the result is that of open_clip's own ``encode_image`` and ``encode_text``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def patches_of(images: Tensor, patch: int) -> Tensor:
    """Cut images [B, 3, S, S] into patches [B, T, 3 P P], in the order of a convolution's weights."""
    B, C, S, _ = images.shape
    g = S // patch
    return images.view(B, C, g, patch, g, patch).permute(0, 2, 4, 1, 3, 5).reshape(B, g * g, C * patch * patch)


def encode_patches(visual: Any, patches: Tensor, kept: Tensor | None, blocks: Sequence[int]) -> Tensor:
    """Return image features before normalisation [B, D].

    Args:
        visual: open_clip's ``VisionTransformer`` with a class token that is read at the end.
        patches: normalised pixels [B, T, 3 P P].
        kept: which patches stay [B, k], or None for all.
        blocks: which blocks run; a block that starts as the identity may stay out until it is trained.

    Only the class token is computed in the last block after its keys and values: nothing else is read.
    """
    position = visual.positional_embedding
    if kept is None:
        places = position[1:]  # [T, D]
    else:
        patches = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[2]))  # [B, k, 3PP]
        places = position[1:][kept]  # [B, k, D]
    x = F.linear(patches, visual.conv1.weight.flatten(1)) + places
    first = (visual.class_embedding + position[0]).expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat((first.to(x.dtype), x), dim=1))  # [B, T, D]
    for index in blocks[:-1]:
        x = _block(visual.transformer.resblocks[index], x, x.shape[1])
    x = _block(visual.transformer.resblocks[blocks[-1]], x, 1)  # [B, 1, D]
    features: Tensor = visual.ln_post(x[:, 0]) @ visual.proj
    return features


def _block(block: Any, x: Tensor, read: int) -> Tensor:
    """Run one block; its output at the first ``read`` tokens is returned."""
    attention = block.attn
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    B, T, D = x.shape
    y = block.ln_1(x)
    split = (attention.num_heads, D // attention.num_heads)
    if read == T:
        q, k, v = F.linear(y, weight, bias).view(B, T, 3, *split).permute(2, 0, 3, 1, 4)  # [B, heads, T, D / heads]
    else:
        k, v = F.linear(y, weight[D:], bias[D:]).view(B, T, 2, *split).permute(2, 0, 3, 1, 4)
        q = F.linear(y[:, :read], weight[:D], bias[:D]).view(B, read, *split).transpose(1, 2)
        x = x[:, :read]
    y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, read, D)
    x = x + attention.out_proj(y)
    result: Tensor = x + block.mlp(block.ln_2(x))
    return result


def encode_ids(model: Any, ids: Tensor) -> Tensor:
    """Return text features before normalisation [K, D]; positions after the longest text are not computed.

    Args:
        model: open_clip's ``CLIP`` with a causal text tower that reads the highest id.
        ids: token ids [K, T].
    """
    end = ids.argmax(dim=1)
    T = int(end.max()) + 1
    x = model.token_embedding(ids[:, :T]) + model.positional_embedding[:T]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:T, :T]))  # [K, T, D]
    features: Tensor = x[torch.arange(len(x), device=x.device), end] @ model.text_projection
    return features
