"""Pictures that coldframe writes to be read again: PNG, lossless, and marked where they are the input of a model already.

A file that a model's own resizing and cropping made must not be resized and cropped once more: what was judged is its very
pixels. The mark is a text chunk, ``coldframe-input`` with the side in pixels; it counts only while the picture has that size,
so that what was cropped or scaled by another program is an ordinary picture again.
"""

from __future__ import annotations

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEY = "coldframe-input"


def is_fitted(image: Image.Image) -> bool:
    """Return whether a decoded picture says that it is the input of a model, S x S, and still has that size."""
    return image.width == image.height and image.info.get(KEY) == str(image.width)


def as_png(image: Image.Image, *, fitted: bool | None = None) -> bytes:
    """Return an RGB picture as PNG, pixel by pixel.

    Args:
        image: RGB; S x S where it is fitted.
        fitted: whether it is the input of a model; None keeps what the picture itself says.
    """
    marks = PngInfo()
    if is_fitted(image) if fitted is None else fitted:
        marks.add_text(KEY, str(image.width))
    written = io.BytesIO()
    image.save(written, "PNG", pnginfo=marks)
    return written.getvalue()
