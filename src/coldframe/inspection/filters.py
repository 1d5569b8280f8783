"""The filters of a network's first convolution, as one RGB picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError

Floats = NDArray[np.float32]


def first_convolution(backbone: Backbone) -> tuple[str, Floats]:
    """Return the name and the weights [N, 3, h, w] of the first convolution that a picture meets.

    Raises:
        ModelError: the network does not begin with a convolution over three channels.
    """
    called: list[nn.Module] = []
    matrices = [module for module in backbone.module.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.Conv3d)]
    handles = [module.register_forward_pre_hook(lambda module, _: called.append(module)) for module in matrices]
    side = backbone.preprocess.size
    try:
        with torch.no_grad():
            backbone.run(torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype), stop=backbone.cuts[1])
    finally:
        for handle in handles:
            handle.remove()
    first = called[0] if called else None
    if not isinstance(first, nn.Conv2d) or first.weight.shape[1] != 3:
        found = "none" if first is None else f"a {type(first).__name__} layer"
        raise ModelError(f"{backbone.name} has no first convolution over RGB to show: expected one, found {found} first")
    name = next(name for name, module in backbone.module.named_modules() if module is first)
    return name, first.weight.detach().float().cpu().numpy()


def rgb(filters: Floats, eps: float = 1e-4) -> Floats:
    """Return each filter as a picture in (0, 1): H' = H / (2 (max|H| + eps)) + 1/2, the maximum over its own weights.

    Zero becomes middle grey, and the relations between the three channels stay.

    Args:
        filters: [N, 3, h, w].
        eps: keeps a filter of zeros finite.

    Returns:
        [N, h, w, 3].
    """
    if filters.ndim != 4 or filters.shape[1] != 3:
        raise InputError(f"expected filters [N, 3, h, w], found shape {list(filters.shape)}")
    largest = np.abs(filters).max((1, 2, 3), keepdims=True)
    pictures: Floats = (filters / (2 * (largest + eps)) + 0.5).transpose(0, 2, 3, 1).astype(np.float32)
    return pictures


def sheet(pictures: Floats, columns: int | None = None, gap: int = 1) -> Floats:
    """Return pictures side by side as one, with white lines between.

    Args:
        pictures: [N, h, w, 3] in [0, 1].
        columns: pictures in a row; about twice as many as rows when None.
        gap: width of the lines, in pixels.

    Returns:
        [rows (h + gap) - gap, columns (w + gap) - gap, 3].

    Example:
        >>> sheet(np.zeros((6, 7, 7, 3), np.float32), columns=3).shape
        (15, 23, 3)
    """
    count, height, width, _ = pictures.shape
    columns = columns or min(count, math.ceil(math.sqrt(2 * count)))
    rows = math.ceil(count / columns)
    whole = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.float32)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        whole[top : top + height, left : left + width] = picture
    return whole
