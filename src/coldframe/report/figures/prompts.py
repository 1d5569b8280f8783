"""Pictures of what a pixel prompt looks like: alone, and on images."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from coldframe.report.figures.style import image_sheet
from coldframe.report.figures.thumbnail import thumbnail
from coldframe.results.parts import Picture

Values = NDArray[np.float32]


def alone(prompt: Values) -> tuple[NDArray[np.uint8], float]:
    """Return a prompt [3, S, S] as a picture [S, S, 3], grey where it is 0, and the factor it was multiplied by.

    The largest value, of either sign, becomes black or white: v / (2 max |v|) + 1/2.
    """
    largest = float(np.abs(prompt).max())
    factor = 0.5 / largest if largest > 0 else 1.0
    return _uint8(prompt * factor + 0.5), factor


def _uint8(values: Values) -> NDArray[np.uint8]:
    return np.ascontiguousarray((255 * values.clip(0, 1)).round().astype(np.uint8).transpose(1, 2, 0))


def prompt_pictures(name: str, prompt: Values, images: Values, learned: bool = True) -> list[Picture]:
    """Return the pictures for a page: the prompt alone, then images with it.

    Args:
        name: of the method.
        prompt: [3, S, S] in units of pixel values in [0, 1].
        images: [B, 3, S, S] with the prompt added; what leaves [0, 1] is clipped for the eye.
        learned: False where the state before training was kept.
    """
    largest = float(np.abs(prompt).max())
    if not learned or not largest:
        return [Picture(b"", name, "start kept: nothing learned")]
    picture, factor = alone(prompt)
    first = Picture(thumbnail(Image.fromarray(picture)), name, f"alone, times {factor:.2g}: grey is 0, white is +{largest:.2g}")
    rest = [Picture(thumbnail(Image.fromarray(_uint8(image))), name, "on a test image") for image in images]
    return [first, *rest]


def prompt_figure(name: str, prompt: Values, images: Values) -> Figure:
    """Return the same as one figure."""
    picture, factor = alone(prompt)
    titles = [f"prompt, times {factor:.2g}", *[""] * len(images)]
    return image_sheet([picture, *(_uint8(image) for image in images)], titles=titles, columns=len(images) + 1, title=name)
