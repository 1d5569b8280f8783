"""Any number of a network's layers in one forward pass: cuts of the staged view, and modules by their dotted names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError, nearest
from coldframe.types import EMBED, FEATURES, PIXELS, PROJECTION


def watchable(backbone: Backbone) -> list[str]:
    """Return the names that :func:`look` knows: cuts first, then modules."""
    modules = [name for name, _ in backbone.module.named_modules() if name and name not in backbone.cuts]
    return [*(cut for cut in backbone.cuts if cut != PIXELS), *modules]


@torch.no_grad()
def look(backbone: Backbone, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the activations of many layers from one forward pass.

    Args:
        backbone: the network.
        images: uint8 or floats in [0, 1], [B, 3, S, S].
        layers: cuts (the activation there, which is what enters the block of that name) and dotted names of modules (what
            they return), as :func:`watchable` lists them.

    Returns:
        Layer -> its activation, in the order of ``layers``.

    Raises:
        InputError: no layer has this name; the nearest ones are named.
        ModelError: a module is not run on the way to the features, or returns something other than a tensor.

    Example:
        >>> from coldframe import load_backbone
        >>> found = look(load_backbone("timm:test_vit/random"), torch.rand(1, 3, 160, 160), ["embed", "blocks.2.mlp.fc1"])
        >>> {name: list(x.shape) for name, x in found.items()}
        {'embed': [1, 64, 10, 10], 'blocks.2.mlp.fc1': [1, 101, 192]}
    """
    modules = dict(backbone.module.named_modules())
    known = watchable(backbone)
    for name in layers:
        if name not in known:
            raise InputError(f"{backbone.name} has no layer {name!r}{_hint(name, known)}")
    cuts = [name for name in layers if name in backbone.cuts]
    found: dict[str, Tensor] = {}
    handles = [
        _last(modules[name]).register_forward_hook(_keep(name, found))
        for name in dict.fromkeys(layers)
        if name not in backbone.cuts
    ]
    try:
        end = [FEATURES] if handles else []
        found |= backbone.taps(backbone.normalise(images), [*cuts, *end])
    finally:
        for handle in handles:
            handle.remove()
    absent = [name for name in layers if name not in found]
    if absent:
        raise ModelError(f"{backbone.name} does not run {absent[0]!r} on the way to its features; choose another layer")
    return {name: found[name] for name in layers}


def _hint(name: str, known: Sequence[str]) -> str:
    return nearest(name, known) or f"; the cuts are {', '.join(known[:3])} and so on, and every module has its dotted name"


def _last(module: nn.Module) -> nn.Module:
    """Return the module whose output is that of a sequence of modules: the staged view calls the parts, not the whole."""
    while type(module) is nn.Sequential and len(module):
        module = module[-1]
    return module


def _keep(name: str, found: dict[str, Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, given: Any, output: Any) -> None:
        output = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise ModelError(f"expected a tensor from the layer {name!r}, found a {kind}; choose another layer")
        # A copy, because the next module may write over it.
        found[name] = output.clone()

    return hook


def grid_of(backbone: Backbone) -> tuple[int, int] | None:
    """Return the height and width of the patch grid of a transformer that begins with a convolution, or None."""
    if EMBED not in backbone.cuts:
        return None
    side = backbone.preprocess.size
    with torch.no_grad():
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        shape = backbone.run(blank, stop=EMBED).shape
    return (int(shape[2]), int(shape[3])) if len(shape) == 4 else None


def as_maps(x: Tensor, grid: tuple[int, int] | None, batch: int, name: str) -> Tensor:
    """Return an activation as maps [B, C, H, W].

    Maps with channels first or last are told apart by their square sides; of tokens [B, T, D] the last H x W are the patches,
    and those before them (class token, registers) are left out.

    Args:
        x: the activation.
        grid: what :func:`grid_of` gave, for tokens.
        batch: B.
        name: the layer, for the error.

    Raises:
        ModelError: the activation is no maps and no tokens of whole images.
    """
    if len(x) == batch and x.dim() == 4 and min(x.shape[1:]) > 0:
        if x.shape[2] != x.shape[3] and x.shape[1] == x.shape[2]:
            return x.permute(0, 3, 1, 2)
        return x
    if len(x) == batch and x.dim() == 3:
        height, width = grid if grid is not None and grid[0] * grid[1] <= x.shape[1] else (math.isqrt(x.shape[1]),) * 2
        patches = x[:, x.shape[1] - height * width :]  # [B, H W, D]
        return patches.transpose(1, 2).unflatten(2, (height, width))  # type: ignore[no-untyped-call, no-any-return]
    raise ModelError(
        f"expected maps [{batch}, C, H, W] or tokens [{batch}, T, D] from the layer {name!r}, found shape {list(x.shape)}; "
        "choose another layer"
    )


def spatial_layers(backbone: Backbone, count: int = 3) -> list[str]:
    """Return the cuts in the middle of each ``count``-th of the network's depth: early, middle and late ones.

    The cut ``embed`` counts for networks without blocks only: it is a convolution before its activation.

    Raises:
        ModelError: the network has no cut with maps or tokens.
    """
    cuts = [cut for cut in backbone.cuts if cut not in (PIXELS, EMBED, PROJECTION, FEATURES)]
    cuts = cuts or [cut for cut in backbone.cuts if cut == EMBED]
    if not cuts:
        raise ModelError(f"{backbone.name} is one piece, without cuts inside; name its modules with --layers")
    places = [min(len(cuts) - 1, int((2 * part + 1) * len(cuts) / (2 * count))) for part in range(count)]
    return [cuts[place] for place in dict.fromkeys(places)]
