"""An assignment is answered, resumed, and written as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from coldframe.errors import ColdframeError
from coldframe.files.writing import holding
from coldframe.verbs.reproduce import by_process, reproduce

TEXT = """
title = "A <small> assignment"
course = "Nowhere"
about = "Two questions."

[[questions]]
id = "Q1"
title = "Star"
asks = "Its matrix?"
answer = "It is {matrix}; {share} of it."
change = "Take star:9."
minutes = [0.1, 2]
steps = [{ name = "star", fast = "graph show star:4 --out {out}" }]
numbers = [
    { name = "matrix", label = "A", step = "star", at = "adjacency", unit = "value" },
    { name = "share", label = "share | of it", step = "star", at = "top1", published = 0.5, source = "a page" },
]
claims = [{ says = "above half", more = "share", than = 0.4 }]
shown = [{ step = "star", rows = "rows", columns = [["node", "node"]], caption = "nodes" }]

[[questions]]
id = "Q2"
title = "Gone"
asks = "?"
answer = "Nothing."
steps = [{ name = "gone", fast = "graph show {out}", needs = ["package no-such-package"] }, { name = "fails", fast = "fail" }]
"""


class Fake:
    """Writes what a command would, and remembers which commands ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, arguments: Sequence[str], folder: Path) -> None:
        self.ran.append(" ".join(arguments))
        if arguments[0] == "fail":
            raise ColdframeError("expected more, found less; try again")
        content = {"adjacency": [[0, 1], [1, 0]], "top1": 0.75, "rows": [{"node": 0}]}
        (folder / "results.json").write_text(json.dumps(content))


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(TEXT)
    return str(tmp_path / "small.toml")


def test_a_run_writes_page_markdown_and_json(recipe: str, tmp_path: Path) -> None:
    out, said = tmp_path / "out", []
    found = reproduce(recipe, out=out, say=said.append, execute=Fake())
    results = json.loads((out / "results.json").read_text())
    first, second = results["questions"]
    assert first["answer"] == "It is 0 1; 1 0; 75.0% of it."
    assert first["numbers"][1]["verdict"] == "25.0 points above"
    assert first["claims"][0]["verdict"] == "holds"
    assert results["command"].endswith(" --fast") and found.results()["command"] == results["command"]
    assert second["steps"][0]["missing"] and "expected more" in second["steps"][1]["failed"]
    assert found.failures == ["Q2 fails: expected more, found less; try again"]
    page = (out / "report.html").read_text()
    assert (
        "A &lt;small&gt; assignment" in page and "Change this and see" in page and "http" not in page.replace("http-equiv", "")
    )
    markdown = (out / "report.md").read_text()
    assert "| share \\| of it | 75.0% |" in markdown and "coldframe graph show star:4" in markdown
    assert any("failed" in line for line in said)


def test_what_is_finished_is_not_run_again_and_what_failed_is(recipe: str, tmp_path: Path) -> None:
    first, second, third = Fake(), Fake(), Fake()
    reproduce(recipe, out=tmp_path / "out", say=lambda line: None, execute=first)
    reproduce(recipe, out=tmp_path / "out", say=lambda line: None, execute=second)
    assert len(first.ran) == 2 and second.ran == ["fail"]
    Path(recipe).write_text(TEXT.replace("star:4", "star:5"))
    reproduce(recipe, only=["Q1"], out=tmp_path / "out", say=lambda line: None, execute=third)
    assert third.ran == [f"graph show star:5 --out {tmp_path / 'out' / 'Q1' / 'star'}"]


def test_a_picture_that_a_command_did_not_make_is_a_failure(recipe: str, tmp_path: Path) -> None:
    pictures = TEXT.replace('rows = "rows", columns = [["node", "node"]]', 'file = "graph.png"')
    Path(recipe).write_text(pictures)
    found = reproduce(recipe, only=["Q1"], out=tmp_path / "out", say=lambda line: None, execute=Fake())
    assert found.results()["command"].endswith(" --fast --only Q1")
    assert found.failures == ["Q1 star: expected the picture graph.png among its results, found none"]


def test_a_number_that_is_not_in_the_results_is_a_failure_unless_only_the_full_run_measures_it(
    recipe: str, tmp_path: Path
) -> None:
    lost = TEXT.replace('at = "top1", published', 'at = "top5", published')
    Path(recipe).write_text(lost)
    found = reproduce(recipe, only=["Q1"], out=tmp_path / "out", say=lambda line: None, execute=Fake())
    assert found.failures == ["Q1 star: expected top5 in its results.json, found nothing there"]
    Path(recipe).write_text(lost.replace('at = "top5"', 'full = true, at = "top5"'))
    found = reproduce(recipe, only=["Q1"], out=tmp_path / "out", say=lambda line: None, execute=Fake())
    assert found.failures == [] and list(found.answered[0].findings) == ["matrix"]
    assert "not measured" in found.answered[0].answer and found.answered[0].claims[0][1] == "not measured"


def test_two_processes_do_not_answer_into_one_folder(recipe: str, tmp_path: Path) -> None:
    with holding(tmp_path / "out" / ".lock"), pytest.raises(ColdframeError, match="another process"):
        reproduce(recipe, out=tmp_path / "out", say=lambda line: None, execute=Fake())


def test_a_command_that_fails_says_its_own_sentence(tmp_path: Path) -> None:
    by_process(["graph", "show", "star:3", "--out", str(tmp_path / "g")], tmp_path)
    assert "adjacency" in (tmp_path / "output.txt").read_text()
    with pytest.raises(ColdframeError, match="did you mean"):
        by_process(["graph", "show", "stars:3"], tmp_path)
