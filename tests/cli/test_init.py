"""The command itself: its help is complete and light, its errors are one sentence."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from coldframe import __version__
from coldframe.cli import VERBS, main


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_names_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words)
    out = capsys.readouterr().out
    assert all(f"  {name}" in out and line in out for name, (_, line) in VERBS.items())
    assert max(map(len, out.splitlines())) <= 100


def test_help_imports_no_parser_and_nothing_heavy() -> None:
    program = """
import sys
from coldframe.cli import main
main(["--help"])
heavy = {"torch", "numpy", "PIL", "matplotlib", "timm", "open_clip", "torchvision", "pyarrow", "cyclopts", "rich"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_of_a_verb_imports_no_torch() -> None:
    program = """
import sys
from coldframe.cli import main
try:
    main(["cache", "--help"])
except SystemExit:
    pass
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--model" in done.stdout and done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_is_there(name: str) -> None:
    place, line = VERBS[name]
    module, _, function = place.partition(":")
    assert callable(getattr(importlib.import_module(module), function)) and line.endswith(".")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compar"], "unknown verb 'compar'; did you mean 'compare'?"),
        (["xyzzyx"], "unknown verb 'xyzzyx'; "),
        (["cache", "--modle", "x"], "Unknown option: --modle. Did you mean --model?"),
    ],
)
def test_bad_words_are_one_sentence_and_status_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.startswith("coldframe: ") and message in error and error.count("\n") == 1
