"""The notebooks: each pair of files says the same, holds no old output, and runs from its first cell to its last."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def test_there_are_four() -> None:
    assert [path.stem for path in SOURCES] == ["networks", "photos", "prompting", "robustness"]


@pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])
def test_both_files_of_a_pair_say_the_same_without_outputs(path: Path) -> None:
    """``make notebooks`` writes the second from the first."""
    written, kept = jupytext.read(path), json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    ours = [(cell.cell_type, cell.source) for cell in written.cells]
    assert ours == [(cell["cell_type"], "".join(cell["source"])) for cell in kept["cells"]]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in kept["cells"])
    assert kept["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])
def test_a_notebook_runs_to_its_end(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel, made small by the variable that its first cell reads."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("COLDFRAME_SMALL", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(notebook, timeout=280, kernel_name="python3", resources=place).execute()
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error"]
    assert len([output for output in shown if output.output_type == "execute_result"]) >= 3
