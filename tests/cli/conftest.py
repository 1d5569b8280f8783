"""A folder of plain pictures, and the command line run to its end on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from coldframe.cli import main

COLOURS = {"apple": (200, 40, 50), "orange": (230, 150, 30), "plate": (230, 230, 235)}


class Said(NamedTuple):
    """What a command printed: results on stdout, progress on stderr, line by line."""

    out: list[str]
    err: list[str]


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """Return a folder of three classes that their colours tell apart, ten pictures each."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "fruit" / name).mkdir(parents=True)
        for number in range(10):
            noise = generator.integers(-30, 31, (36, 44, 3))
            picture = Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
            picture.save(tmp_path / "fruit" / name / f"{number}.png")
    return tmp_path / "fruit"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Return what runs a command that ends well, and returns what it printed, in a terminal wide enough for every column."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert not ended.value.code
        printed = capsys.readouterr()
        return Said(printed.out.splitlines(), printed.err.splitlines())

    return run
