"""Pictures on the page: their bytes, and what stands under them."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL.Image import Image


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Args:
        png: its bytes.
        title: what stands under it.
        text: a second, smaller line.
    """

    png: bytes
    title: str
    text: str = ""


@dataclass(frozen=True)
class HardImage:
    """A test image that is wrong with the most confidence.

    Args:
        png: its bytes, some 160 pixels wide.
        true: name of its class.
        predicted: name of the class it was taken for.
        probability: of the predicted class, in [0, 1].
        name: its file.
    """

    png: bytes
    true: str
    predicted: str
    probability: float
    name: str = ""


def thumbnail(image: Image, side: int = 160) -> bytes:
    """Return a picture of at most ``side`` pixels, or several times its own size when it is tiny, as PNG."""
    if max(image.size) * 2 <= side:
        factor = side // max(image.size)
        image = image.resize((image.width * factor, image.height * factor), 0)
    else:
        image = image.copy()
        image.thumbnail((side, side))
    written = io.BytesIO()
    image.save(written, "png")
    return written.getvalue()
