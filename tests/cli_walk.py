"""The command line walked: every command that the parser knows, and one command run in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cyclopts import App

from coldframe import registry
from coldframe.cli import main
from coldframe.cli.fit import method_app


def commands(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Yield every command below a parser, with the words that lead there."""
    for name in app:
        if name.startswith("-"):
            continue
        below = app[name]
        if (*words, name) == ("fit",):
            for method in registry.METHODS:
                yield ("fit", method), method_app(method)
        elif any(not each.startswith("-") for each in below):
            yield from commands(below, (*words, name))
        else:
            yield (*words, name), below


def outcome(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> tuple[int, str]:
    """Run a command; return its exit status and what it printed on standard error."""
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    error = capsys.readouterr().err
    assert "Traceback" not in error and "\x1b" not in error, (words, error)
    return int(stopped.value.code or 0), error
