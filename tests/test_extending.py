"""docs/architecture.md says how to add a method, a backbone, a measure, a verb and a data layout: done here as it says."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "docs" / "architecture.md"
_BLOCK = re.compile(r"```python\n# (src/[\w/.]+)(?:, in (\w+))?\n(.*?)```", re.DOTALL)


def add(root: Path) -> list[str]:
    """Put every block of the page into a copy of the source; return the files that are touched."""
    touched = []
    for place, where, text in _BLOCK.findall(DOC.read_text(encoding="utf-8")):
        path, touched = root / place, [*touched, place]
        if not where:
            assert not path.exists(), f"{place} exists already"
            path.write_text(text, encoding="utf-8")
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if where == "imports":
            at = next(i for i, line in enumerate(lines) if line.startswith("from coldframe"))
        else:
            node = next(
                node for node in ast.parse("".join(lines)).body
                if isinstance(node, ast.Assign | ast.AnnAssign) and where in ast.unparse(node).split("=")[0].split(":")[0]
            )  # fmt: skip
            at = (node.end_lineno or 0) - 1
        path.write_text("".join([*lines[:at], text, *lines[at:]]), encoding="utf-8")
    return touched


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    touched = add(root)
    assert len(touched) == 12 and len(set(touched)) == 9
    return root


def run(house: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(house / "src"), "COLDFRAME_CACHE": str(house / "store")}
    command = [sys.executable, "-m", "coldframe", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=house, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_five_work_together_from_the_command_line(house: Path) -> None:
    text = run(house, "compare", "--data", "stripes:60", "--model", "noise", "--methods", "middle,knn", "--seeds", "1",
               "--set", "middle.power=2", "--out", "out")  # fmt: skip
    assert "nearest middle" in text and "lead" in text
    row, _ = json.loads((house / "out" / "results.json").read_text())["rows"]
    assert row["method"] == "middle" and row["model"] == "noise" and row["top1"] > 0.9 and 0 < row["lead"] <= 1
    assert "lead" in (house / "out" / "results.csv").read_text().splitlines()[0]
    page = (house / "out" / "report.html").read_text()
    assert "how far the first answer is ahead of the second" in page and "nearest middle" in page
    assert "middle.power" not in page or "power=2" in page


def test_a_new_verb_counts_and_a_new_backbone_is_listed(house: Path) -> None:
    assert run(house, "count", "stripes:60") == "38 train, 10 val, 12 test\n"
    assert "How many images a data set has." in run(house, "--help")
    assert re.search(r"^\s*noise\b", run(house, "models", "noise"), re.MULTILINE)


def test_the_page_names_every_room() -> None:
    picture = DOC.read_text(encoding="utf-8").split("```")[1]
    rooms = {path.name for path in (ROOT / "src" / "coldframe").iterdir() if (path / "__init__.py").exists()}
    assert {name.rstrip("/") for name in re.findall(r"^(\w+)/ ", picture, re.MULTILINE)} == rooms
