"""The page that helps to choose says what the measured tables say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = "| method | 1 | 4 | s |\n| --- | ---: | ---: | ---: |\n| ridge | 50.0 | 70.0 | 0.1 |\n| knn | 48.0 | 60.0 | 0.1 |\n"


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "tools/choosing.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_points_behind_are_means_over_tables() -> None:
    spec = importlib.util.spec_from_file_location("choosing", ROOT / "tools" / "choosing.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    other = TABLE.replace("48.0", "54.0").replace("| ridge", "| `ridge`")
    found = tool.tables(f"text\n\n{TABLE}\n| no | table |\n\n{other}\n")
    shots, means = tool.behind(found)
    assert shots == ["1", "4"] and list(means) == ["ridge", "knn"]
    assert means["ridge"] == ([2.0, 0.0], 2) and means["knn"] == ([1.0, 10.0], 2)
    assert tool.table(shots, means).splitlines()[2] == "| `ridge` | 2.0 | 0.0 | 2 tables |"
    with pytest.raises(SystemExit, match="expected tables of 1, 4 images"):
        tool.behind([*found, *tool.tables(TABLE.replace("| 4 |", "| 8 |"))])
