"""An assignment is answered, resumed, and written as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coldframe.data import load_dataset
from coldframe.errors import ColdframeError
from coldframe.files.writing import holding
from coldframe.results.assignment import Number, Question, Ran, Shown
from coldframe.verbs.reproduce import PHOTOS, _photos, answered, by_process, reproduce

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


def test_what_begins_is_said_and_what_was_spent_is_kept(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, said = iter([10.0, 12.34, 20.0, 25.0]), list[str]()
    monkeypatch.setattr("coldframe.verbs.reproduce.time.perf_counter", lambda: next(times))
    spent = iter([1.0, 1.06, 2.0, 2.5])
    monkeypatch.setattr("coldframe.verbs.reproduce._processor", lambda: next(spent))
    out = tmp_path / "out"
    found = reproduce(recipe, out=out, say=said.append, execute=Fake())
    assert said == [
        f"{recipe} --fast: 2 questions, about 1 min on two idle cores",
        f"Q1 star: coldframe graph show star:4 --out {out / 'Q1' / 'star'}",
        "Q2 gone: missing no-such-package: expected this package, found none; pip install no-such-package; left out",
        "Q2 fails: coldframe fail", "  failed: expected more, found less; try again",
    ]  # fmt: skip
    steps = [step for one in found.answered for step in one.steps]
    assert [(step.seconds, step.processor) for step in steps] == [(2.3, 0.1), (0.0, 0.0), (5.0, 0.5)]
    kept = json.loads((out / "Q1" / "star" / "step.json").read_text())
    assert kept == {"command": steps[0].command, "seconds": 2.3, "processor": 0.1}
    assert not (out / "Q2" / "fails" / "step.json").exists()
    assert found.missing == ["no-such-package: expected this package, found none; pip install no-such-package"]
    again = reproduce(recipe, only=["Q1"], mode="full", out=out, say=said.append, execute=Fake())
    assert said[5:] == [f"{recipe} --full: 1 question, about 2 min on two idle cores"]
    assert (again.answered[0].steps[0].seconds, again.answered[0].steps[0].processor) == (2.3, 0.1)


@pytest.mark.parametrize(
    ("code", "messages", "said"),
    [
        (0, "", None), (130, "", KeyboardInterrupt), (-2, "", KeyboardInterrupt),
        (3, "", "^it ended with code 3$"), (1, "first\ncoldframe: last\n\n", "^last$"),
    ],
)  # fmt: skip
def test_how_a_command_of_its_own_process_ended(
    code: int, messages: str, said: str | type[BaseException] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(words: list[str], **streams: Any) -> SimpleNamespace:
        assert words[1:] == ["-m", "coldframe", "a", "b"]
        streams["stderr"].write(messages.encode())
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr("coldframe.verbs.reproduce.subprocess.run", run)
    if said is None:
        by_process(["a", "b"], tmp_path)
    elif isinstance(said, str):
        with pytest.raises(ColdframeError, match=said):
            by_process(["a", "b"], tmp_path)
    else:
        with pytest.raises(said):
            by_process(["a", "b"], tmp_path)


def test_photographs_are_the_first_test_pictures_of_their_classes_and_are_written_once(tmp_path: Path) -> None:
    _photos(tmp_path)
    test = load_dataset("mini:caltech7").test
    for name, (word, number) in PHOTOS.items():
        rows = [row for row, label in enumerate(test.labels) if test.classes[label] == word]
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(test.images.open(rows[number])))
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    _photos(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_only_what_should_be_there_and_is_not_is_a_failure(tmp_path: Path) -> None:
    number = Number("a", "a", "s", "top1")
    steps = {
        "ran": Ran("s", "x"), "failed": Ran("s", "x", failed="before"), "left out": Ran("s", ""), "other": Ran("t", "x"),
    }  # fmt: skip
    asked = Question("Q", "t", "?", "{a} and {b}", numbers=[number, Number("b", "b", "t", "x", full=True)],
                     shown=[Shown("s", "c", file="*.png")])  # fmt: skip
    told = {name: answered(asked, [step], tmp_path) for name, step in steps.items()}
    assert steps["ran"].failed == "expected top1 in its results.json, found nothing there"
    assert [steps[name].failed for name in ("failed", "left out", "other")] == ["before", "", ""]
    assert all(list(one.findings) == ["a"] and one.answer == "not measured and not measured" for one in told.values())
