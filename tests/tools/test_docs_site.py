"""The tool around the documentation site: links bent to pages of the site, references generated, lost links found."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from coldframe import registry
from coldframe.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "docs_site", module)
    spec.loader.exec_module(module)
    return module


def test_pages_are_gathered_and_their_links_bent(tool: ModuleType, tmp_path: Path) -> None:
    tool.SOURCE = tmp_path / "source"
    tool.copy_source.__defaults__ = (tmp_path / "source",)
    tool.gather(tmp_path / "docs")
    speed = (tmp_path / "docs" / "peft.md").read_text(encoding="utf-8")
    assert "(speed.md)" in speed and "(examples/my_lora.md)" in speed and "../bench" not in speed
    own = (tmp_path / "docs" / "how-to" / "own-method.md").read_text(encoding="utf-8")
    assert "(../examples/my_lora.md)" in own
    line = (tmp_path / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert line.startswith("# Command line")
    assert all(f"## coldframe {verb}\n" in line for verb in VERBS)
    assert all(f"coldframe fit {method}" in line for method in registry.METHODS)
    python = (tmp_path / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert "::: coldframe.verbs.compare.compare" in python and "(methods.md)" in python
    methods = (tmp_path / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
    assert all(f"::: {place.replace(':', '.')}" in methods for place in registry.METHODS.values())
    source = (tmp_path / "source" / "coldframe" / "methods" / "base.py").read_text(encoding="utf-8")
    assert ":class:" not in source and "class Method" in source


def test_lost_links_pictures_and_anchors_are_found(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(
        '<a href="two.html#here">x</a><a href="#own"></a><h1 id="own"></h1><a href="https://x.y">z</a>'
    )
    (tmp_path / "two.html").write_text('<p id="here"></p><a href="one.html"></a>')
    assert tool.broken(tmp_path) == []
    (tmp_path / "two.html").write_text('<p id="there"></p><img src="lost.png"><a href="three.html"></a>')
    assert sorted(tool.broken(tmp_path)) == ["one.html: two.html#here", "two.html: lost.png", "two.html: three.html"]


@pytest.mark.slow
def test_the_site_builds_offline_without_a_warning(tmp_path: Path) -> None:
    """From a copy, as ``make docs`` does it."""
    for name in ("docs", "src", "examples", "tools", "bench", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "*.zip"))
    for name in ("README.md", "CHANGELOG.md", "zensical.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    zensical = Path(sys.executable).parent / "zensical"
    for command in (
        [sys.executable, "tools/docs_site.py", "gather"], [str(zensical), "build", "--clean", "--strict"],
        [sys.executable, "tools/docs_site.py", "check"],
    ):  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    pages = {path.relative_to(tmp_path / "build" / "site").as_posix() for path in (tmp_path / "build" / "site").rglob("*.html")}
    assert {"index.html", "glossary.html", "reference/cli.html", "reference/measures.html", "benchmarks.html"} <= pages
    assert any((tmp_path / "build" / "site").rglob("search*"))
