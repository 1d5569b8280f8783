"""A page of the courses keeps the words of the run, and its pictures small and without a palette."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def test_a_page_has_the_words_of_the_run_and_small_pictures(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("course_pages", ROOT / "tools" / "course_pages.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    step = tmp_path / "run" / "Q1.1" / "step"
    step.mkdir(parents=True)
    Image.new("P", (2000, 1000)).save(step / "plot.png")
    noise = np.random.default_rng(0).integers(100, 120, (300, 700, 3)).astype(np.uint8)
    Image.fromarray(noise).save(step / "photo.png")
    (tmp_path / "run" / "results.json").write_text(json.dumps({"command": "coldframe reproduce a1 --fast"}))
    (tmp_path / "run" / "report.md").write_text("# A\n\n![of | it](Q1.1/step/plot.png)\n\n![x](Q1.1/step/photo.png)\n")
    made = tool.page(tmp_path / "run", tmp_path / "docs")
    assert made == tmp_path / "docs" / "a1.md"
    assert made.read_text() == "# A\n\n![of | it](a1/Q11-step-plot.png)\n\n![x](a1/Q11-step-photo.jpg)\n"
    with Image.open(tmp_path / "docs" / "a1" / "Q11-step-plot.png") as image:
        assert (image.size, image.mode) == ((640, 320), "RGB")
