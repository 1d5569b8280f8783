"""Colours of pictures and the held-out rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coldframe.errors import DataError
from coldframe.recipes.pocket.corpus import HELD_OUT, PALETTE, commonest_colour, held_out, read, strongest_channel


def plain(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.broadcast_to(np.array(c, np.uint8)[:, None, None], (3, 6, 6)) for c in colours])


def test_every_palette_word_names_its_own_colour() -> None:
    assert commonest_colour(plain(*PALETTE.values())).tolist() == list(range(len(PALETTE)))


def test_a_colour_that_covers_little_is_not_named() -> None:
    words = list(PALETTE.values())
    pixels = np.concatenate([plain(words[i])[..., :1] for i in (0, 2, 3, 4, 8, 10)], axis=3)
    assert commonest_colour(pixels).tolist() == [-1]


def test_the_strongest_channel_needs_a_clear_lead() -> None:
    assert strongest_channel(plain((90, 80, 80), (80, 80, 85), (10, 10, 200))).tolist() == [0, -1, 2]


def test_held_out_rows_are_balanced_and_repeat() -> None:
    labels = [i % 3 for i in range(3 * HELD_OUT + 300)]
    rows = held_out(labels)
    assert rows == held_out(labels) and rows == sorted(set(rows))
    assert np.bincount([labels[row] for row in rows]).tolist() == [HELD_OUT] * 3


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="set COLDFRAME_DATA"):
        read(tmp_path, "train", 36)
