"""Every numeric option of every verb, taken from the parser itself, is given what is no number that it can use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cli_walk import commands, outcome
from cyclopts import App

from coldframe.cli.fit import method_app
from coldframe.cli.guard import command_line
from coldframe.errors import InputError
from coldframe.values import Number

HOSTILE = ("nan", "inf", "-inf", "1e400", "99999999999999999999", "-1")
MORE = (
    "", " ", "NaN", "-nan", "infinity", "-1e400", "9" * 5000, "-99999999999999999999", "2.5e", "1_000", "0x10", "١", "1,5",
    "--1", "1e", "\x1b[31m1", "1\n2", "None", "true", "[1]", "1;2", "½", "1e9999999999999",
)  # fmt: skip
PARTS = 4
"""Tests that one value is spread over, so that each ends in time on a busy machine."""
"""What no numeric option takes; for the whole suite."""
BORDER = ("0", "0.5", "1e-320", "4294967296", "18446744073709551616", "1e3", "+1", "1000000000", "2.0", "00001")
"""What some take: then the command ends at the data or the run, which are not there."""


def numeric(hint: Any) -> bool:
    return hint in (int, float) or any(numeric(part) for part in getattr(hint, "__args__", ()))


@cache
def options() -> list[tuple[tuple[str, ...], str, Any]]:
    """Return the words of a command with what it requires, the name of a numeric option, and its parser's argument."""
    found = []
    for words, app in commands(command_line()):
        arguments = app.assemble_argument_collection()
        required: list[str] = []
        for argument in arguments:
            if argument.required:
                name = next((name for name in argument.names if name.startswith("--")), None)
                keyword = name is not None and argument.field_info.kind is argument.field_info.KEYWORD_ONLY
                required += [name, "absent"] if keyword and name else ["absent"]
        if any("--data" in argument.names and not argument.required for argument in arguments):
            required += ["--data", "cora" if words == ("train", "gcn") else "absent"]  # else it would run
        if words == ("benchmark",):
            required += ["absent"]
        for argument in arguments:
            if numeric(argument.hint):
                name = next(name for name in argument.names if name.startswith("--") and not name.startswith("--empty-"))
                found.append(((*words, *required), name, argument))
    return found


def test_every_numeric_option_has_a_type_of_the_house() -> None:
    bare = [(words, name) for words, name, argument in options() if not isinstance(_converter(argument), Number)]
    assert not bare and len(options()) > 100


def _converter(argument: Any) -> object:
    found = argument.parameter.converter
    return found[0] if isinstance(found, tuple) else found


def fell(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str, *given: str) -> list[object]:
    code, error = outcome(capsys, (*words, *given))
    good = code == 2 and error.startswith("coldframe: ") and error.count("\n") == 1 and name in error and "expected" in error
    return [] if good else [(words, given, code, error)]


def test_each_option_refuses_what_is_no_number() -> None:
    for words, name, argument in options():
        for value in (*HOSTILE, *MORE):
            with pytest.raises(InputError, match="expected a"):
                _converter(argument).read(value), (words, name)  # type: ignore[attr-defined]


def test_the_refusal_is_one_sentence_that_names_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: list[object] = []
    for number, (words, name, _) in enumerate(options()):
        value = HOSTILE[number % len(HOSTILE)]
        found += fell(capsys, words, name, *((name, value) if number % 2 else (f"{name}={value}",)))
    assert not found and not list(tmp_path.iterdir())


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build each parser once: that is two thirds of the time of a command that is refused."""
    kept: dict[int, tuple[App, Any]] = {}  # an app stays as long as its number does
    assemble = App.assemble_argument_collection

    def assembled(app: App, **more: Any) -> Any:
        if any(more.values()):
            return assemble(app, **more)
        if id(app) not in kept:
            kept[id(app)] = app, assemble(app)
        found = kept[id(app)][1]
        for argument in found:
            argument.tokens.clear()  # what the command before gave
        return found

    monkeypatch.setattr(App, "assemble_argument_collection", assembled)
    monkeypatch.setattr("coldframe.cli.guard.command_line", cache(command_line))
    monkeypatch.setattr("coldframe.cli.fit.method_app", cache(method_app))


@pytest.mark.slow
@pytest.mark.usefixtures("parsers")
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("value", (*HOSTILE, *MORE))
def test_all_options_by_all_values(
    value: str, part: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: list[object] = []
    for words, name, _ in options()[part::PARTS]:
        found += fell(capsys, words, name, name, value) + fell(capsys, words, name, f"{name}={value}")
    assert not found and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("parsers")
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("value", BORDER)
def test_what_lies_at_the_border_is_taken_or_refused_in_one_sentence(
    value: str, part: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, name, _ in options()[part::PARTS]:
        if words in (("train", "pocket"), ("train", "batch-norm")):
            continue  # these need no data that could be absent: they would run
        code, error = outcome(capsys, (*words, f"{name}={value}"))
        refused = [line for line in error.splitlines() if line.startswith("coldframe: ")]
        assert code in (0, 2) and len(refused) == (1 if code else 0), (words, name, error)


TEXTS = (
    ("extract", "--model", "lite0", "--data", "mini:cifar10", "--out", "x", "--shard", "{}"),
    ("extract", "--model", "lite0", "--data", "mini:cifar10", "--out", "x", "--shard", "1/{}"),
    ("compare", "--methods", "knn", "--data", "mini:cifar10", "--model", "absent", "--noise", "{}"),
    ("compare", "--methods", "knn", "--data", "mini:cifar10", "--model", "absent", "--noise", "0.1,{}"),
    ("compare", "--methods", "knn", "--data", "mini:cifar10", "--model", "absent", "--attack-eps", "{}"),
    ("compare", "--methods", "knn", "--data", "mini:cifar10", "--model", "absent", "--attack-eps", "1/{}"),
    ("attack", "absent.png", "--eps", "{}"), ("attack", "absent.png", "--eps", "{}/255"),
    ("attack", "absent.png", "--eps", "8/{}"), ("graph", "show", "path:{}"), ("graph", "show", "star:{}"),
    ("graph", "walks", "complete:{}"), ("graph", "check", "cycle:{}"),
    ("compare", "--data", "absent", "--device", "cuda:{}"),
)  # fmt: skip
"""Numbers inside other texts."""


@pytest.mark.parametrize("words", TEXTS)
def test_numbers_inside_texts(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (*HOSTILE, "9" * 5000, "0", "1e-400", "999999999", "", "1_0", "١"):
        code, error = outcome(capsys, tuple(word.replace("{}", value) for word in words))
        assert code == 2 and error.count("\n") == 1 and error.startswith("coldframe: ") and len(error) < 1000, (value, error)
    assert not list(tmp_path.iterdir())
