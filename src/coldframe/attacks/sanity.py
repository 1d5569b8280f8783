"""Signs that an attack's result says little about the model: AutoAttack's checks, as Python warnings of an own class."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from coldframe.errors import InputError

Model = Callable[[Tensor], Tensor]
"""Images in [0, 1], [B, 3, H, W] -> logits [B, K]. Preprocessing is the callable's own affair."""


class AttackWarning(UserWarning):
    """The model looks stronger or weaker to gradients than it is; its result is not to be trusted as it stands."""


def examine(model: Model, images: Tensor) -> int:
    """Look at what the model gives for one image, warn where it is odd, and return K.

    Args:
        model: what is to be attacked.
        images: [B, 3, H, W]; the first one is passed twice.

    Returns:
        K, number of classes.

    Raises:
        InputError: the output is not [B, K] with K of 2 or more, or not finite.

    Source: the flags of AutoAttack, https://github.com/fra31/auto-attack
    """
    with torch.no_grad():
        first, again = model(images[:1]), model(images[:1])
    if first.ndim != 2 or first.shape[0] != 1 or first.shape[1] < 2:
        raise InputError(f"expected logits [B, K] of 2 or more classes from the model, found the shape {tuple(first.shape)}")
    if not bool(first.isfinite().all()):
        raise InputError("expected finite logits from the model, found infinite ones or not a number; check its input range")
    if not torch.equal(first, again):
        _warn("the model gives different outputs for the same image; one pass tells little, average over several (transforms=)")
    if bool((first >= 0).all()) and abs(float(first.sum()) - 1) < 1e-3:
        _warn("the model's outputs sum to 1: probabilities where logits were expected; their gradients vanish, return logits")
    return int(first.shape[1])


def check_gradient(scores: Tensor) -> None:
    """Raise :class:`InputError` where no gradient leads from the model's outputs back to the images."""
    if not scores.requires_grad:
        raise InputError("expected logits that carry gradients to the images, found none; call the model without torch.no_grad")


def examine_gradient(gradient: Tensor) -> None:
    """Warn where the gradient [B, 3, H, W] of an image is zero in every pixel: no step can come of it."""
    dead = int((gradient.flatten(1) == 0).all(1).sum())
    if dead:
        _warn(
            f"the gradient is zero in every pixel of {dead} of {len(gradient)} images; "
            "the model hides it (saturation, rounding), not being fooled means nothing"
        )


def _warn(sentence: str) -> None:
    warnings.warn(sentence, AttackWarning, stacklevel=4)
