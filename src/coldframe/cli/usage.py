"""What the parser could not read, as one sentence in the words of the other errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from coldframe.cli.index import GROUPS
from coldframe.errors import nearest

if TYPE_CHECKING:
    from cyclopts import CycloptsError


def sentence(error: CycloptsError, words: list[str]) -> str:
    """Return the sentence for words that do not fit a verb: what was expected, what was found, where the options are listed.

    Args:
        error: what the parser raised.
        words: what stood behind ``coldframe``.
    """
    from cyclopts import MissingArgumentError, UnusedCliTokensError
    from cyclopts.exceptions import UnknownCommandError

    said = " ".join(str(error).split()).removesuffix(".")
    below = words[1:2] if words[0] in GROUPS and words[1:2] and not words[1].startswith("-") else []
    if isinstance(error, UnknownCommandError) and error.unused_tokens and error.app is not None:
        known = [name for name in error.app if not name.startswith("-")]
        word = error.unused_tokens[0]
        return f"unknown word {word!r} after {words[0]}{nearest(word, known)}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        said = f"expected nothing but options after {' '.join([words[0], *below])}, found {error.unused_tokens[0]!r}"
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.argument.token_count()[0] == 1:
        meant = re.search(r"Did you mean .*\?", said)
        said = f"expected a value for {error.keyword or error.argument.name}, found none" + (f". {meant[0]}" if meant else "")
    return f"{said} ({' '.join(['coldframe', words[0], *below, '--help'])} lists the options)"
