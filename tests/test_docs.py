"""What the pages say is true: their Python runs, their links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/RESULTS.md"))]
ELSEWHERE = {"docs/architecture.md": "its blocks are put into a copy of the source, in tests/test_extending.py"}


def blocks(page: Path) -> list[str]:
    """Return the Python of a page, in its order."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


SMALLER: dict[str, Callable[[str], str]] = {"text-prompts.md": lambda block: block.replace('"pocket"', '"pocket/random"')}
"""Pages whose model is replaced by one that loads faster."""
SLOW = {"convnet.md": pytest.mark.slow}
RUN = [page for page in PAGES if blocks(page) and str(page.relative_to(ROOT)) not in ELSEWHERE]

SOURCE = ROOT / "src"
EXAMPLES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((SOURCE / "coldframe").rglob("*.py"))
    if re.search(r"^ *>>> (?!.*\+SKIP)", path.read_text(encoding="utf-8"), re.MULTILINE)
]
"""Modules whose docstrings show what a call returns."""


def test_pages_with_python_are_found() -> None:
    assert {"index.md", "graphs.md", "mlp.md", "vae.md"} <= {page.name for page in RUN}


@pytest.mark.parametrize("page", [pytest.param(page, marks=SLOW.get(page.name, ()), id=page.stem) for page in RUN])
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page, one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for number, block in enumerate(blocks(page), start=1):
        exec(compile(SMALLER.get(page.name, str)(block), f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_docstrings_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.parametrize("page", TEXTS, ids=[str(page.relative_to(ROOT)) for page in TEXTS])
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name}: {target}"
        if anchor and place.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{page.name}: #{anchor}"


def test_every_page_stands_in_the_table_of_contents() -> None:
    listed = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    generated = {"speed.md", "changelog.md", "reference/cli.md", "reference/python.md"}
    generated |= {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.py")}
    assert listed == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES} | generated


def test_pictures_weights_and_samples_stay_small() -> None:
    kinds = {".png", ".jpg", ".safetensors", ".zip", ".npz", ".parquet"}
    folders = [ROOT / name for name in ("docs", "src", "tests", "examples", "notebooks")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds and path.is_file()]
    assert sum(path.stat().st_size for path in files) < 16_000_000, "write photographs and soft colours as JPEG"
