"""Where pocket starts: patches whitened, positions as waves, and heads that look at a neighbour.

A transformer that starts from noise spends most of a short training on finding out that neighbouring patches belong
together. Here each head of each block starts by reading the patch at one fixed offset, as a convolution would: positions
are waves in 32 of the channels, a shift of a wave is a rotation, and the query is the key rotated.

Source: structured initialisation of attention (Zheng, Li and Lucey 2024, arXiv 2404.01139), mimetic initialisation
(Trockman and Kolter 2023, arXiv 2305.09828), patch whitening (Jordan 2024, arXiv 2404.00498).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

WAVES = 8
"""Frequencies an axis; with (k - 1/2) pi / 8 the waves of two different positions on a grid of up to 8 are orthogonal."""
SHARPNESS = 4.5
"""Logit of a position on the same row or column as the one looked for; the position itself has twice that."""
OFFSETS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))


def initialise(model: Any, patches: Tensor, generator: torch.Generator, *, structured: bool = True) -> None:
    """Set the starting weights of an open_clip CLIP model in place.

    Args:
        model: ``open_clip.model.CLIP`` with a class token and a learned position table.
        patches: normalised patches of training pictures [N, 3 * P * P], for whitening.
        generator: source of all random numbers.
        structured: whether the heads start on neighbours, or as noise.
    """
    visual = model.visual
    width = visual.conv1.weight.shape[0]
    waves = 4 * WAVES
    content = width - waves
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[-1] ** -0.5)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        model.token_embedding.weight.mul_(0.3 * width**0.5)
        model.positional_embedding.mul_(0.3)
        for block in model.transformer.resblocks:
            block.attn.out_proj.weight.mul_(0.3)
            block.mlp.c_proj.weight.mul_(0.3)
        model.logit_scale.fill_(math.log(16.0))
        visual.conv1.weight.zero_()
        white = _whitening(patches, content)
        more = torch.randn(content - len(white), len(white), generator=generator) * len(white) ** -0.5
        visual.conv1.weight[:content].copy_(torch.cat((white, more @ white)).view(content, *visual.conv1.weight.shape[1:]))
        visual.positional_embedding.zero_()
        visual.positional_embedding[1:, content:] = _waves(visual.grid_size[0]).mul(1.4)
        visual.class_embedding.copy_(torch.randn(width, generator=generator) * 0.5)
        visual.class_embedding[content:] = 0
        visual.proj.copy_(torch.randn(visual.proj.shape, generator=generator) * width**-0.5)
        turn = 0
        for block in visual.transformer.resblocks:
            block.attn.out_proj.weight.zero_()
            block.mlp.c_proj.weight.zero_()
            if structured:
                turn = _look_at_neighbours(block.attn, content, turn)


def _look_at_neighbours(attention: Any, content: int, turn: int) -> int:
    """Give each head an offset of its own; returns where the next block continues in the list of offsets."""
    width = attention.embed_dim
    size = width // attention.num_heads
    weight = attention.in_proj_weight  # [3D, D]
    weight[: 2 * width].mul_(0.1)
    # After layer normalisation a wave has about unit variance over its channels: |wave|^2 = 2 * WAVES per axis pair.
    gain = (SHARPNESS * math.sqrt(size) / WAVES) ** 0.5
    for head in range(attention.num_heads):
        dy, dx = OFFSETS[(turn + head) % len(OFFSETS)]
        rows = slice(head * size, head * size + 4 * WAVES)
        weight[rows, content:] += gain * _rotation(dy, dx)
        weight[slice(width + rows.start, width + rows.stop), content:] += gain * torch.eye(4 * WAVES)
    return turn + int(attention.num_heads)


def _frequencies() -> Tensor:
    return (torch.arange(WAVES) + 0.5) * math.pi / WAVES


def _waves(grid: int) -> Tensor:
    """Return cosines and sines of both coordinates [grid * grid, 4 * WAVES]."""
    angle = torch.arange(grid)[:, None] * _frequencies()  # [grid, WAVES]
    axis = torch.stack((angle.cos(), angle.sin()), dim=-1).flatten(1)  # [grid, 2 WAVES]
    y = axis[:, None].expand(grid, grid, -1)
    x = axis[None].expand(grid, grid, -1)
    return torch.cat((y, x), dim=-1).reshape(grid * grid, -1)


def _rotation(dy: int, dx: int) -> Tensor:
    """Return the matrix [4 WAVES, 4 WAVES] that maps the waves of (y, x) to those of (y + dy, x + dx)."""
    result = torch.zeros(4 * WAVES, 4 * WAVES)
    for axis, shift in enumerate((dy, dx)):
        for k, w in enumerate(_frequencies().tolist()):
            c, s = math.cos(w * shift), math.sin(w * shift)
            at = axis * 2 * WAVES + 2 * k
            result[at : at + 2, at : at + 2] = torch.tensor([[c, -s], [s, c]])
    return result


def _whitening(patches: Tensor, count: int) -> Tensor:
    """Return at most ``count`` leading principal directions [count or 3 P P, 3 P P], each scaled to about unit variance."""
    centred = patches - patches.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    directions: Tensor = vectors.T / (values + 0.02 * values.mean()).sqrt()[:, None]
    return directions
