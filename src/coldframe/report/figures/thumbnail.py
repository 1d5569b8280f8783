"""Small pictures for the page."""

from __future__ import annotations

import io
from typing import Literal

from PIL.Image import Image


def thumbnail(image: Image, side: int = 160, kind: Literal["png", "jpeg"] = "png") -> bytes:
    """Return a picture of at most ``side`` pixels, or several times its own size when it is tiny, as a file."""
    if max(image.size) * 2 <= side:
        factor = side // max(image.size)
        image = image.resize((image.width * factor, image.height * factor), 0)
    else:
        image = image.copy()
        image.thumbnail((side, side))
    written = io.BytesIO()
    (image if kind == "png" else image.convert("RGB")).save(written, kind)
    return written.getvalue()
