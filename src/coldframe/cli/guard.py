"""What every verb shares: a parser, and one sentence for whatever the user can mend or the machine lacks."""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING, Any

from coldframe.cli import completion, stopped, streams, usage
from coldframe.cli.index import ABOUT, VERBS, top_help
from coldframe.errors import ColdframeError, InputError, nearest, visible

if TYPE_CHECKING:
    from cyclopts import App


_LONG = re.compile(r"\S{300,}")
"""A name that would bury the sentence it stands in."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line.

    Args:
        argv: the words after ``coldframe``; those of the process when None.

    Raises:
        SystemExit: 0 when it is done, 2 after a sentence on stderr, 130 after Ctrl-C, 141 when the reader of a pipe has gone.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        _guarded(words)
    except KeyboardInterrupt:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the sentence
        streams.complain(f"coldframe: {stopped.sentence(words)}")
        signal.signal(signal.SIGINT, before)
        raise SystemExit(130) from None


def _guarded(words: list[str]) -> None:
    """Run the command line, and turn what the user can mend, or the machine lacks, into one sentence."""
    streams.prepare()
    try:
        try:
            if not words or words[0] in ("--help", "-h", "help"):
                print(top_help())
            else:
                _dispatch(words)
        finally:
            _clear()
            streams.flush()
    except BrokenPipeError:
        streams.drop()
        raise SystemExit(streams.GONE) from None
    except ColdframeError as error:
        sentence = str(error)
    except OSError as error:
        if error.filename is None:
            streams.drop()
        sentence = _system(error)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        sentence = "the memory of this machine is too small for what was asked; ask for smaller batches, widths or images"
    else:
        return
    streams.complain(f"coldframe: {_LONG.sub(_cut, visible(sentence))}")
    raise SystemExit(2)


def _cut(found: re.Match[str]) -> str:
    return f"{found[0][:80]}…{found[0][-40:]} ({len(found[0]):,} characters)"


def _clear() -> None:
    """Take bars and growing tables away, however a verb ended: they hide the cursor."""
    live = sys.modules.get("coldframe.cli.live")
    if live is not None and live.Terminal.shown is not None:
        live.Terminal.shown.stop()
        live.Terminal.shown = None


def _system(error: OSError) -> str:
    """Return the sentence for what the operating system refused: a full disk behind standard output, a name too long."""
    reason = (error.strerror or str(error)).lower()
    if error.filename is None:
        return f"cannot write what was asked for: {reason}; look at what standard output leads to, and at the disk"
    return f"cannot use {str(error.filename)!r}: {reason}; check the path"


def _is_memory(error: BaseException) -> bool:
    said = str(error)
    return isinstance(error, MemoryError) or "can't allocate memory" in said or "out of memory" in said.lower()


def _dispatch(words: list[str]) -> None:
    from coldframe.version import __version__

    words = [at_home(word) for word in words]
    if words[0] == "--version":
        print(__version__)
        return
    if words[0] == completion.FLAG:
        completion.install(command_line(), words[1:])
        return
    if words[0] not in VERBS:
        raise InputError(f"unknown verb {words[0]!r}{nearest(words[0], VERBS) or '; coldframe --help lists the verbs'}")
    from cyclopts import CycloptsError

    from coldframe.machine.allocator import keep_freed_memory
    from coldframe.machine.waiting import wait_quietly

    wait_quietly()
    keep_freed_memory()
    _show_warnings()

    try:
        command_line()(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise InputError(usage.sentence(error, words)) from error


def at_home(word: str) -> str:
    """Return a word with ``~/`` replaced by the home folder, also behind ``=``, where no shell does it.

    Example:
        >>> at_home("--out=runs/~x")
        '--out=runs/~x'
    """
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if value != "~" and not value.startswith("~/"):
        return word
    from coldframe.files import expanded

    return f"{option}{equals}{expanded(value)}"


def _show_warnings() -> None:
    """Print the house's own warnings as a sentence on stderr, each once; others as Python does."""
    import warnings

    from coldframe.errors import SolverWarning, TextWarning, WeightsWarning

    other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, TextWarning | SolverWarning | WeightsWarning):
            streams.complain(f"coldframe: note: {visible(message)}")
        else:
            other(message, category, *rest, **more)

    if getattr(other, "__name__", "") != "show":
        warnings.showwarning = show


def command_line() -> App:
    """Return the parser with every verb, none of them imported yet."""
    from cyclopts import App, Parameter

    from coldframe.version import __version__

    plain = Parameter(negative_iterable=(), json_list=False)  # no --empty-NAME, and one way to write several values
    app = App(name="coldframe", help=ABOUT, version=__version__, suppress_keyboard_interrupt=False, default_parameter=plain)
    for name, (place, line) in VERBS.items():
        own_help: dict[str, Any] = {"help_flags": []} if name == "fit" else {}  # its help is that of the method named
        app.command(place, name=name, help=line, **own_help)
    return app
