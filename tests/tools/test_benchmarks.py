"""The page of all measurements says what the results files say, and a figure without a command is refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTION = """# Noise

We ran `coldframe fit` in words, and

```
OMP_NUM_THREADS=1 coldframe fit knn \\
    --out runs/a
coldframe fit ridge
```

## Pets, [lite0](../pocket.md)

| method | top-1 |
| --- | --- |
| [knn](../few-shot.md#knn) | 50.0 |

| other | table |
| --- | --- |
| x | y |
"""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks", ROOT / "tools" / "benchmarks.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "tools/benchmarks.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_command_is_found_on_one_line(tool: ModuleType) -> None:
    assert tool.command("see `x = 1` and `python bench/a.py --n 3`") == "python bench/a.py --n 3"
    fenced = SECTION.replace("We ran `coldframe fit` in words, and", "")
    assert tool.command(fenced) == "OMP_NUM_THREADS=1 coldframe fit knn --out runs/a"
    assert tool.command("nothing `here`") == ""


def test_the_first_table_is_taken_and_its_links_lead_from_the_page(tool: ModuleType) -> None:
    found = tool.table(SECTION, ROOT / "docs" / "results" / "noise.md")
    assert found.splitlines() == ["| method | top-1 |", "| --- | --- |", "| [knn](few-shot.md#knn) | 50.0 |"]


def test_a_figure_without_a_command_is_refused(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "PAGE", tmp_path / "docs" / "benchmarks.md")
    page = tmp_path / "docs" / "results" / "noise.md"
    page.parent.mkdir(parents=True)
    page.write_text(SECTION)
    assert "coldframe fit" in tool.accuracy(page) and "results/noise.md" in tool.accuracy(page)
    page.write_text(SECTION.replace("coldframe", "other"))
    with pytest.raises(SystemExit, match=r"expected a command and a table in docs/results/noise\.md"):
        tool.accuracy(page)
