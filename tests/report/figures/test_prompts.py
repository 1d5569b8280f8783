"""Pixel prompts as pictures: grey where nothing is added, scaled by the largest value of either sign."""

from __future__ import annotations

import io

import numpy as np
from drawn import unchanged
from PIL import Image

from coldframe.report.figures.prompts import alone, prompt_figure, prompt_pictures

PROMPT = np.zeros((3, 2, 2), np.float32)
PROMPT[0, 0, 1], PROMPT[1, 1, 0] = 0.2, -0.4
IMAGES = np.stack([np.full((3, 2, 2), value, np.float32) for value in (0.5, 1.5)])


def test_the_largest_value_becomes_black_or_white() -> None:
    picture, factor = alone(PROMPT)
    assert factor == np.float32(1.25) and picture.shape == (2, 2, 3)
    assert picture.tolist() == [[[128, 128, 128], [191, 128, 128]], [[128, 0, 128], [128, 128, 128]]]
    assert alone(0 * PROMPT)[1] == 1.0 and (alone(0 * PROMPT)[0] == 128).all()


def test_the_page_shows_it_alone_and_on_images_or_says_that_nothing_was_learned() -> None:
    first, *rest = prompt_pictures("m", PROMPT, IMAGES)
    assert first.text == "alone, times 1.2: grey is 0, white is +0.4"
    assert [each.text for each in rest] == ["on a test image"] * 2
    assert [Image.open(io.BytesIO(each.png)).getpixel((0, 0)) for each in rest] == [(128,) * 3, (255,) * 3]
    for left in (prompt_pictures("m", PROMPT, IMAGES, learned=False), prompt_pictures("m", 0 * PROMPT, IMAGES)):
        assert [(each.png, each.text) for each in left] == [(b"", "start kept: nothing learned")]
    unchanged(__file__, "prompts", prompt_figure("m", PROMPT, IMAGES))
