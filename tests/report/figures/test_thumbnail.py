"""Small pictures for the page."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from coldframe.report.figures.thumbnail import thumbnail


@pytest.mark.parametrize(("size", "expected"), [
    ((28, 28), (140, 140)), ((80, 20), (160, 40)), ((81, 20), (81, 20)), ((320, 160), (160, 80)), ((500, 400), (160, 128)),
])  # fmt: skip
def test_tiny_pictures_grow_by_a_whole_factor_and_large_ones_shrink(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = Image.new("RGB", size)
    assert Image.open(io.BytesIO(thumbnail(picture))).size == expected and picture.size == size


def test_a_grown_picture_keeps_its_pixels_and_jpeg_has_no_transparency() -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((1, 0), (255, 0, 0))
    grown = Image.open(io.BytesIO(thumbnail(picture, side=8)))
    assert grown.size == (8, 4) and sorted(grown.getcolors()) == [(16, (0, 0, 0)), (16, (255, 0, 0))]
    assert Image.open(io.BytesIO(thumbnail(Image.new("RGBA", (40, 40)), kind="jpeg"))).mode == "RGB"
