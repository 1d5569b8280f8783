"""Weights may be finite and what they compute not: activations are looked at once, where they are made."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from coldframe.errors import ModelError
from coldframe.types import FEATURES


def check_finite(x: Tensor, model: str, layer: str, name_of: Callable[[int], object]) -> None:
    """Refuse activations that are infinite or no numbers, and features whose length float32 cannot hold.

    A feature of infinite length would be divided by it and become 0: every method that reads directions would answer at chance.

    Args:
        x: activations of some images [B, ...].
        model: the model's id.
        layer: the cut that they are of.
        name_of: row -> the image's name.

    Raises:
        ModelError: names the model, the layer and the first such image.
    """
    if layer == FEATURES and x.is_floating_point():
        x = x.flatten(1).float().norm(dim=-1, keepdim=True)  # [B, 1]
    if not x.is_floating_point() or bool(x.sum().isfinite()):  # a sum may overflow, so that its failure proves nothing
        return
    bad = (~x.flatten(1).isfinite().all(1)).nonzero().flatten().tolist()
    if bad:
        many = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise ModelError(
            f"expected finite values of {model} at {layer}, found others for {name_of(bad[0])}{many}; "
            "its weights overflow there: fetch them again, choose fp32, or another model"
        )
