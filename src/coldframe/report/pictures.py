"""Pictures on the page: their bytes, and what stands under them."""

from __future__ import annotations

from dataclasses import dataclass


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
