"""Random augmentations with few outcomes: each outcome is a stored view, and every epoch draws one for each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from coldframe.cold import Activations
from coldframe.errors import InputError

Augment = Literal["none", "flip"]
"""``none``, or ``flip``: each image mirrored with probability 1/2, both views stored."""


def views_of(augment: Augment) -> tuple[str, ...]:
    """Return the views to store. Raises :class:`InputError` for an unknown augmentation."""
    if augment not in ("none", "flip"):
        raise InputError(f"expected augment of none, flip, found {augment!r}")
    return ("plain", "flip") if augment == "flip" else ("plain",)


def drawn(sources: Sequence[Activations], items: Tensor, epoch: int, seed: int) -> Tensor:
    """Return the activations of a batch, each from the view that f(seed, epoch, index) draws.

    Args:
        sources: the plain view, and the mirrored one where there are two.
        items: indices [b].
        epoch: from 0.
        seed: of the run.
    """
    x = sources[0].gather(items)
    if len(sources) == 1:
        return x
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) * 2 + 1)
    flipped = torch.randint(2, (len(sources[0]),), generator=generator)[items].bool()
    if flipped.any():
        x[flipped.to(x.device)] = sources[1].gather(items[flipped])
    return x
