"""Every option of every verb, method and network: a help text, one meaning, no noise."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from coldframe import registry
from coldframe.cli import main
from coldframe.cli.common import plain
from coldframe.cli.fit import method_app
from coldframe.cli.guard import command_line
from coldframe.errors import InputError
from coldframe.methods import method_class

KINDS = ((r"\bint\b|numbers", "whole number"), (r"\bfloat\b", "number"), (r"\bPath\b", "path"), (r"\bbool\b", "flag"))
NUMBERS = {"whole number", "number"}


def verbs(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in app:
        if not name.startswith("-"):
            yield from verbs(app[name], (*words, name))
    if words and app.default_command is not None:
        yield words, app


@cache
def options() -> list[tuple[str, str, Any]]:
    """Return (verb, name, option), those of each method and network included."""
    apps = [*verbs(command_line()), *((("fit", name), method_app(name)) for name in registry.METHODS)]
    assert {"compare", "fit", "inspect features", "train mlp", "fit lora"} <= {" ".join(words) for words, _ in apps}
    return [
        (" ".join(words), argument.names[0], argument)
        for words, app in apps
        for argument in app.assemble_argument_collection(parse_docstring=True)
        if argument.show
    ]


def kind(argument: Any) -> str:
    return next((said for pattern, said in KINDS if re.search(pattern, str(argument.hint))), "text")


def test_each_has_a_help_text_that_is_a_sentence() -> None:
    for verb, name, argument in options():
        text = str(argument.parameter.help or "").strip()
        assert len(text) > 6 and text.endswith("."), (verb, name, text)
        if verb.startswith(("fit ", "train ")):
            assert "``" not in text and ":class:" not in text, (verb, name, text)


def test_options_of_several_verbs_say_the_same_everywhere() -> None:
    """Networks built to be understood have engines of their own."""
    for shared in ("--storage", "--budget-gb", "--engine", "--own"):
        users = [(verb, argument.parameter.help) for verb, name, argument in options() if name == shared]
        assert len(users) > 2 and len({line for verb, line in users if not verb.startswith("train ")}) == 1, (shared, users)


def test_a_name_takes_one_kind_of_value_in_all_verbs() -> None:
    """Networks built to be understood have settings of their own; all else shares one vocabulary."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for verb, name, argument in options():
        if not verb.startswith("train ") and name.startswith("--"):
            said = kind(argument)
            found[name]["number" if said in NUMBERS else said].append(verb)
    mixed = {name: dict(kinds) for name, kinds in found.items() if len(kinds) > 1}
    assert not mixed


def test_images_in_a_pass_and_in_a_training_step_have_names_of_their_own() -> None:
    seen = defaultdict(set)
    for verb, name, argument in options():
        if name in ("--batch", "--batch-size"):
            seen[name].add(verb)
            wanted = r"\bpass\b|\btogether\b" if name == "--batch" else r"\bstep\b"
            assert re.search(wanted, argument.parameter.help), (verb, argument.parameter.help)
    assert {"compare", "sweep", "evaluate", "predict", "fit lora"} <= seen["--batch"]
    assert {"fit lora", "train mlp", "train cnn"} <= seen["--batch-size"]


@pytest.mark.parametrize("words", [("compare", "--help"), ("fit", "lora", "--help"), ("models", "--help")])
def test_help_holds_no_noise(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    printed = capsys.readouterr().out
    assert stopped.value.code == 0 and "Parameters" in printed
    assert "--empty-" not in printed and "``" not in printed and "Commands" not in printed


def test_plain_text_of_a_docstring() -> None:
    assert plain("``a`` is\n:func:`b.c`.\n\nArgs:\n    n: how many\n        of ``x``.\n    m: ``one`` of two.") == (
        "a is b.c.\n\nArgs:\n    n: How many of x.\n    m: one of two.\n"
    )


@pytest.mark.parametrize("name", list(registry.METHODS))
def test_a_setting_that_there_is_none_of_is_a_sentence_and_no_type_error(name: str) -> None:
    with pytest.raises(InputError, match=r"expected a setting of .*, found 'epoch'"):
        method_class(name)(None, epoch=5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("compare", "--data", "mini:mnist", "--set", "fine-tune.epoch=5"), "did you mean 'epochs'"),
        (("sweep", "fine-tune", "--data", "mini:mnist", "--set", "fine-tune.epoch=5"), "did you mean 'epochs'"),
        (("sweep", "fine-tune", "--data", "mini:mnist", "--grid", "epoch=5"), "did you mean 'epochs'"),
        (("fit", "fine-tune", "--data", "mini:mnist", "--out", "x", "--epoch", "5"), "--epochs"),
    ],
)
def test_a_misspelt_setting_names_the_right_one(
    words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(list(words))
    error = capsys.readouterr().err
    assert error.startswith("coldframe: ") and expected in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())
