"""Small pictures for the page, as PNG."""

from __future__ import annotations

import io

from PIL.Image import Image


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
