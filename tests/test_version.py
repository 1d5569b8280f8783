"""One version everywhere: the module, the face, the packaging, and the files that a checkout writes without being installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import coldframe
from coldframe.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_is_written_in_one_place() -> None:
    assert coldframe.__version__ == __version__ and re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/coldframe/version.py"


def test_nothing_asks_the_installation_for_the_version() -> None:
    asking = [path.name for path in (ROOT / "src").rglob("*.py") if re.search(r"version\([\"']coldframe", path.read_text())]
    assert asking == []
