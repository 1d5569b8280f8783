"""``coldframe --install-completion``: let the shell complete verbs, options and their choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coldframe.errors import InputError

if TYPE_CHECKING:
    from cyclopts import App

FLAG = "--install-completion"
SHELLS = ("bash", "zsh", "fish", "powershell")


def install(app: App, words: Sequence[str]) -> None:
    """Write the completion of every verb where the shell reads it, and say where.

    Args:
        app: the whole command line.
        words: behind the flag: the name of a shell, or nothing for the one that runs.

    Raises:
        InputError: another word, or a shell that cannot be told.
    """
    from cyclopts.completion import ShellDetectionError

    if len(words) > 1 or (words and words[0] not in SHELLS):
        raise InputError(f"expected one of {', '.join(SHELLS)} or nothing after {FLAG}, found {' '.join(words)!r}")
    _add_methods(app)
    try:
        path = app.install_completion(shell=words[0] if words else None)  # type: ignore[arg-type]
    except ShellDetectionError as error:
        raise InputError(f"cannot tell which shell this is; name it: coldframe {FLAG} {'|'.join(SHELLS)}") from error
    print(f"completion is written to {path}; open a new shell to use it")


def _add_methods(app: App) -> None:
    """Put a command for each method, with the options of that method, in the place of ``fit``."""
    from cyclopts import App

    from coldframe import registry
    from coldframe.cli.fit import method_app
    from coldframe.cli.index import VERBS

    group = App(name="fit", help=VERBS["fit"][1])
    for method in registry.METHODS:
        group.command(method_app(method), name=method)
    del app["fit"]
    app.command(group)
