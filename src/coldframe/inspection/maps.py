"""Feature maps of chosen layers, scaled for the eye, and the norms of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.inspection.layers import as_maps, grid_of, look, spatial_layers
from coldframe.types import EMBED, FEATURES, PIXELS, PROJECTION

Maps = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """Some maps of one layer.

    Args:
        layer: its name.
        shape: (C, H, W) of the whole layer.
        channels: numbers of the maps, n of them.
        values: [n, H, W], each map from 0 to 1.
        variances: of the maps over their pixels, before scaling [n].
    """

    layer: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    values: Maps
    variances: tuple[float, ...]


def scaled(maps: Maps) -> Maps:
    """Return each map [..., H, W] from 0 to 1: (x - min) / (max - min); a constant map becomes zeros."""
    low, high = maps.min((-2, -1), keepdims=True), maps.max((-2, -1), keepdims=True)
    result: Maps = np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)
    return result


def by_variance(maps: Maps, count: int) -> tuple[int, ...]:
    """Return the numbers of the ``count`` maps [C, H, W] that vary most over their pixels, the most varied first."""
    return tuple(int(i) for i in np.argsort(-maps.var((1, 2)), kind="stable")[:count])


def feature_maps(
    backbone: Backbone,
    image: Tensor,
    layers: Sequence[str] | None = None,
    *,
    maps: int = 5,
    channels: Sequence[int] | None = None,
) -> list[LayerMaps]:
    """Return some maps of each layer, from one forward pass.

    Of transformers the channels of the patches' tokens are maps.

    Args:
        backbone: the network.
        image: uint8 or floats in [0, 1], [3, S, S].
        layers: cuts and modules; an early, a middle and a late cut when None.
        maps: maps a layer, those of the largest variance.
        channels: numbers of the maps in place of the largest variance, the same for every layer.

    Raises:
        InputError: an unknown layer or a channel that a layer does not have.
        ModelError: a layer without maps.

    Example:
        >>> import torch
        >>> from coldframe import load_backbone
        >>> found = feature_maps(load_backbone("timm:test_resnet/random"), torch.rand(3, 160, 160), maps=2)
        >>> len(found), found[0].values.shape[0], float(found[0].values.max())
        (3, 2, 1.0)
    """
    if maps < 1:
        raise InputError(f"expected at least one map a layer, found {maps}")
    chosen = list(dict.fromkeys(layers)) if layers else spatial_layers(backbone)
    grid, found = grid_of(backbone), []
    for name, x in look(backbone, image[None], chosen).items():
        values: Maps = as_maps(x, grid, 1, name)[0].float().cpu().numpy()  # [C, H, W]
        numbers = tuple(channels) if channels else by_variance(values, maps)
        wrong = [number for number in numbers if not 0 <= number < len(values)]
        if wrong:
            raise InputError(f"expected channels from 0 to {len(values) - 1} in the layer {name!r}, found {wrong[0]}")
        taken = values[list(numbers)]  # [n, H, W]
        size = (values.shape[0], values.shape[1], values.shape[2])
        found.append(LayerMaps(name, size, numbers, scaled(taken), tuple(float(v) for v in taken.var((1, 2)))))
    return found


def token_norms(backbone: Backbone, image: Tensor) -> dict[str, Maps]:
    """Return, for every cut between embedding and features, the L2 norm of each patch's token: cut -> [H, W].

    Unscaled; in convolutional networks it is the norm over channels at each place.

    Args:
        backbone: the network.
        image: uint8 or floats in [0, 1], [3, S, S].
    """
    cuts = [cut for cut in backbone.cuts if cut not in (PIXELS, EMBED, PROJECTION, FEATURES)]
    grid = grid_of(backbone)
    found = look(backbone, image[None], cuts)
    return {cut: as_maps(x, grid, 1, cut)[0].float().norm(dim=0).cpu().numpy() for cut, x in found.items()}  # [H, W]
