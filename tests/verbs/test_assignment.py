"""Assignments as data: all that come with coldframe can be read, their commands parsed, and what lacks is said."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from coldframe.cli.fit import method_app
from coldframe.cli.guard import command_line
from coldframe.errors import ColdframeError, InputError
from coldframe.results.assignment import Step
from coldframe.verbs.assignment import assignments, command_of, missing, read, spoken, words

PLACES = {"data": "D", "out": "O", "here": "H", "root": "R", "photos": "P"}
STEPS = [
    (f"{name} {question.id} {step.name}", command)
    for name in assignments()
    for question in read(name).questions
    for step in question.steps
    for command in dict.fromkeys(filter(None, (step.fast, step.full)))
]


def test_every_part_of_the_four_assignments_is_there() -> None:
    ids = {name: [question.id for question in read(name).questions] for name in assignments()}
    assert set(ids) == {"uva-a1", "uva-a2", "uva-a3", "cs5787-hw3"}
    assert [one for one in ids["uva-a2"] if one.startswith("Q2")] == [f"Q2.{n}" for n in range(1, 7)]
    assert {one.partition(".")[0] for one in ids["cs5787-hw3"]} == {f"P{n}" for n in range(1, 8)}
    cells = [n for q in read("uva-a2").questions if q.id == "Q2.3" for n in q.numbers]
    assert len(cells) == 36 and all(cell.published for cell in cells)


@pytest.mark.parametrize(("where", "command"), STEPS, ids=[where for where, _ in STEPS])
def test_every_command_is_understood(where: str, command: str) -> None:
    arguments = words(command, PLACES)
    app = command_line()
    if arguments[0] == "fit":
        app, arguments = method_app(arguments[1]), arguments[2:]
    app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_a_question_is_found_by_the_beginning_of_its_name_and_brings_what_it_builds_on(tmp_path: Path) -> None:
    text = 'title = "t"\ncourse = "c"\nabout = "a"\n'
    for name, after in (("A1", []), ("A2", ["A1"]), ("B1", ["A2"])):
        text += f'[[questions]]\nid = "{name}"\ntitle = "t"\nasks = "?"\nanswer = "!"\nafter = {after!r}\n'
    (tmp_path / "x.toml").write_text(text.replace("'", '"'))
    found = read(str(tmp_path / "x.toml"))
    assert [q.id for q in found.chosen(["B1"])] == ["A1", "A2", "B1"]
    assert [q.id for q in found.chosen(["A"])] == ["A1", "A2"]
    assert len(found.chosen([])) == 3
    with pytest.raises(InputError, match="unknown question 'C1'"):
        found.chosen(["C1"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('answer = "{gone}"', "unknown number 'gone'"),
        ('answer = "!"\nafter = ["Z"]', "unknown question 'Z'"),
        ('answer = "!"\nshown = [{step = "s", caption = "c"}]', "unknown step 's'"),
        ('answer = "!"\nsteps = [{name = "a"}, {name = "a"}]', "a name of its own"),
        ("answer = 3", "expected text"),
        ('answer = "!"\nsurprise = 1', "unknown key"),
    ],
)  # fmt: skip
def test_a_damaged_assignment_gets_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'title = "t"\ncourse = "c"\nabout = "a"\n[[questions]]\nid = "Q"\ntitle = "t"\nasks = "?"\n{line}\n')
    with pytest.raises(ColdframeError, match=said):
        read(str(path))
    with pytest.raises(InputError, match="did you mean 'uva-a2'"):
        read("uva-a22")


def test_what_is_missing_is_named_and_the_fast_command_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    step = Step("s", fast="graph show star:3", full="graph show {data}/edges.csv", full_needs=["data edges.csv"])
    assert command_of(step, "fast") == ("graph show star:3", [])
    command, lacking = command_of(step, "full")
    assert command == "graph show star:3"
    assert lacking == [f"edges.csv: expected a file or folder of this name in {tmp_path}, found none"]
    (tmp_path / "edges.csv").write_text("0,1\n")
    assert command_of(step, "full") == (step.full, [])
    assert command_of(Step("s", fast="x", needs=["package no-such-package"]), "fast")[0] == ""
    assert "pip install no-such-package" in missing(["package no-such-package"])[0]
    assert "weights" in missing(["weights timm:swin_tiny_patch4_window7_224@nowhere.safetensors"])[0]
    with pytest.raises(InputError, match="needs such as"):
        missing(["mood good"])


def test_a_command_is_spoken_as_a_shell_reads_it() -> None:
    said = spoken('zero-shot --data parquet:{data}/c?a=b&c=1 --template "A {}" --out {out}', {"out": "runs/x"})
    assert said == 'coldframe zero-shot --data "parquet:$COLDFRAME_DATA/c?a=b&c=1" --template "A {}" --out runs/x'
    assert shlex.split(said)[5] == "A {}"
    with pytest.raises(InputError, match="unknown place"):
        words("graph show {nowhere}", {})


def test_a_full_run_names_each_data_set_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", "/nonexistent")
    steps = [step for name in assignments() for question in read(name).questions for step in question.steps]
    wanted = [(step, [need for need in step.full_needs if need.startswith("data ")]) for step in steps]
    assert sum(bool(data) for _, data in wanted) > 20
    for step, data in wanted:
        step.full_needs = data
        command, lacking = command_of(step, "full")
        absent = "expected a file or folder of this name in /nonexistent, found none"
        said = [f"{need.removeprefix('data ')}: {absent}" for need in data]
        assert set(said) <= set(lacking) and (command in ("", step.fast) if said else True)
