"""What is left of an adversarial image once it has been mirrored, cropped, turned, printed grey or saved as a JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from coldframe.attacks.checks import LEVELS
from coldframe.attacks.sanity import Model
from coldframe.attacks.transforms import crop, grey, mirror, rotate

QUALITY = 75
"""Of the JPEG round trip: Pillow's own."""


def rounded(images: Tensor) -> Tensor:
    """Go to uint8 and back."""
    return (images * LEVELS).round().to(torch.uint8).to(images.dtype) / LEVELS


def jpeg(images: Tensor, quality: int = QUALITY) -> Tensor:
    """Go to a JPEG file of this quality and back, [B, 3, H, W]."""
    pixels = (images * LEVELS).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    back = []
    for picture in pixels:
        held = io.BytesIO()
        Image.fromarray(picture).save(held, "JPEG", quality=quality)
        back.append(torch.from_numpy(np.array(Image.open(held, formats=["JPEG"]))))
    return torch.stack(back).permute(0, 3, 1, 2).to(images) / LEVELS


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "unchanged": lambda images: images,
    "mirrored": mirror,
    "80% crop": lambda images: crop(images, 0.8),
    "30 degrees": lambda images: rotate(images, torch.full((len(images),), 30.0)),
    "grey": grey,
    "uint8": rounded,
    "JPEG": jpeg,
}
"""Name -> change of images [B, 3, H, W] in [0, 1]. The crop keeps the central 80% of the area."""


@dataclass(frozen=True)
class Survival:
    """The adversarial and the clean images after one change.

    Args:
        change: its name.
        images: the adversarial images after it, [B, 3, H, W].
        predicted: the class that comes first, int64 [B].
        probability: of that class, [B].
        target_probability: of the target, or of the true class where there is none, [B].
        survived: whether the target still comes first, or the true class still does not, bool [B].
        clean_predicted: the class that comes first on the clean image after the same change, int64 [B].
        clean_probability: of that class, [B].
    """

    change: str
    images: Tensor
    predicted: Tensor
    probability: Tensor
    target_probability: Tensor
    survived: Tensor
    clean_predicted: Tensor
    clean_probability: Tensor


@torch.no_grad()
def survival(
    model: Model, clean: Tensor, adversarial: Tensor, labels: Tensor, targets: Tensor | None = None
) -> list[Survival]:
    """Return what the model sees after each of :data:`CHANGES`.

    Args:
        model: images in [0, 1] -> logits [B, K].
        clean: [B, 3, H, W] in [0, 1].
        adversarial: the same images with their change.
        labels: true classes [B], int64.
        targets: what they were to be taken for, [B], or None.
    """
    found, wanted = [], labels if targets is None else targets
    for name, change in CHANGES.items():
        images = change(adversarial)
        odds, clean_odds = model(images).float().softmax(-1), model(change(clean)).float().softmax(-1)
        wanted = wanted.to(odds.device)
        (probability, predicted), (clean_probability, clean_predicted) = odds.max(-1), clean_odds.max(-1)
        survived = predicted != wanted if targets is None else predicted == wanted
        target = odds.gather(1, wanted[:, None])[:, 0]
        found.append(
            Survival(name, images, predicted, probability, target, survived, clean_predicted, clean_probability)
        )  # fmt: skip
    return found
