"""The words of the house: cuts, preprocessing and the row of a result. No torch is imported here.

One alphabet everywhere: B images, C, H, W pixels, T tokens, D width, K classes, P prompt tokens, N items of a split.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

PIXELS = "pixels"
"""The cut before everything: normalised images at the model's resolution [B, 3, H, W]."""
EMBED = "embed"
"""The cut after the first convolution, before anything is added to it."""
PROJECTION = "pre-projection"
"""The cut before a vision-language model's last matrix, which maps what is pooled to the features [B, D']."""
FEATURES = "features"
"""The cut after everything but the classifier: one vector per image [B, D]."""

TOKENS = "tokens"
"""Beside the chain: what the last block gives, before anything is pooled [B, T, D]; nothing can be run on from it."""
POOLED = "pooled"
"""Beside the chain: what enters every block and the last one's output, each pooled, and the features, end to end [B, P]."""
LADDER = "ladder"
"""Beside the chain: the tokens that enter every block and the last one's output [B, L + 1, T, D]."""
BESIDE = (TOKENS, POOLED, LADDER)

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Precision = Literal["fp32", "bf16"]
Row = dict[str, Any]
"""One line of `results.json`."""


def block(layer: int) -> str:
    """Return the name of the cut just before block ``layer``: its value is what enters that block."""
    return f"block{layer}"


Fit = Literal["crop", "squash", "pad", "as-is"]
"""How a picture of any shape becomes a square."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How an image file becomes the input of one model: decode, resize, crop, scale, normalise.

    Args:
        size: S, height and width of the model's input in pixels.
        resize: the shorter side after resizing, in pixels (``mode="crop"``).
        mean: channel means in units of [0, 1], order RGB.
        std: channel standard deviations in units of [0, 1], order RGB.
        interpolation: resampling filter.
        mode: ``"crop"`` resizes the shorter side and crops the centre; ``"squash"`` resizes both sides to S; ``"pad"`` resizes
            the longer side to S and puts black around; ``"as-is"`` takes pictures of S x S and no others.
    """

    size: int
    resize: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation = "bicubic"
    mode: Fit = "crop"

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, for ``results.json`` and digests."""
        return asdict(self)

    def pixel_digest(self) -> str:
        """Return a digest of what decides the uint8 pixels; mean and standard deviation do not."""
        return digest_of({k: v for k, v in self.as_dict().items() if k not in ("mean", "std")})


def digest_of(value: object) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a JSON-like value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
