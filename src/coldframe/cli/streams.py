"""Standard output and error as they are found: another encoding than UTF-8, a full disk behind them, a reader that has gone."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys

PLAIN = {"·": "-", "±": "+-", "…": "...", "“": '"', "”": '"', "█": "#", "→": "->", "²": "^2", "×": "x", "–": "-", "’": "'"}
"""What stands for the signs that coldframe itself prints, where an encoding lacks them."""
GONE = 141
"""Exit status of a program whose reader has gone: 128 and the number of SIGPIPE, as a shell reports it."""


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start : error.end]
    # A byte of a file name that is not UTF-8 arrives as a lone surrogate: it is shown as the byte that it was.
    said = (f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else PLAIN.get(c, "?") for c in found)
    return "".join(said), error.end


codecs.register_error("coldframe", _replace)


def prepare() -> None:
    """Let standard output and error replace what their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "coldframe":
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="coldframe")


def flush() -> None:
    """Write out what standard output still holds, while an error can still become a sentence."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def drop() -> None:
    """Send what standard output still holds to nowhere, so that the interpreter does not fail on it when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(sentence: str) -> None:
    """Print a sentence on standard error; where that is closed or full, the exit status alone must say it."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def is_closed(error: OSError) -> bool:
    """Return whether an error says that the reader of a pipe has gone."""
    return isinstance(error, BrokenPipeError) or error.errno in (errno.EPIPE, errno.ESHUTDOWN)
