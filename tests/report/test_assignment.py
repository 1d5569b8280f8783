"""The page of an assignment takes pictures in, made smaller where they are wide."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from coldframe.report.assignment import PICTURE, _grid, _small


def test_wide_pictures_are_made_smaller_and_others_stay(tmp_path: Path) -> None:
    Image.new("RGB", (5 * PICTURE, 20)).save(tmp_path / "wide.png")
    Image.new("RGB", (40, 20)).save(tmp_path / "small.png")
    assert Image.open(io.BytesIO(_small(tmp_path / "wide.png"))).width == 2 * PICTURE
    assert _small(tmp_path / "small.png") == (tmp_path / "small.png").read_bytes()


def test_a_matrix_keeps_its_lines_in_markdown() -> None:
    assert _grid([["a", "b"], ["|x|", "0 1\n1 0"]])[2] == "| \\|x\\| | `0 1`<br>`1 0` |"
