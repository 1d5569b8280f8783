"""One family of errors. Each message is one sentence: what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that do something to a terminal: controls, line ends, changes of the direction of writing."""


class ColdframeError(Exception):
    """Something the user can mend. The command line prints the message alone and exits with status 2."""


class InputError(ColdframeError, ValueError):
    """An argument, option or configuration value that cannot be used."""


class DataError(ColdframeError, ValueError):
    """A data set, an image file or a label that cannot be used."""


class ModelError(ColdframeError, ValueError):
    """A model, a checkpoint or a stage of a model that cannot be used."""


class WeightsNotFound(ModelError):
    """Pretrained weights that are not on this machine and may not be downloaded."""


class FileError(ColdframeError, OSError):
    """A file that cannot be read or written. Nothing half-written is left behind."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TrainingError(ColdframeError, RuntimeError):
    """A training run that cannot go on, such as one whose loss is not a number."""


class MissingPackage(ColdframeError, ImportError):
    """An optional package that the asked-for feature needs."""


class TextWarning(UserWarning):
    """A model is asked about texts outside what it knows: words it was not trained with."""


class WeightsWarning(UserWarning):
    """A checkpoint holds more than one network, or more than the network that is read from it."""


class SolverWarning(UserWarning):
    """A solver ended before its loss was at the minimum, as on features of very unequal scales."""


def visible(text: object) -> str:
    """Return foreign text as one line that does nothing to a terminal: line breaks, escapes and the like are written out.

    Every name that comes from outside (a file, a class, a column) passes here where it is printed.

    Example:
        >>> visible("rose\\nred\\x1b[31m")
        'rose\\\\nred\\\\x1b[31m'
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def nearest(name: str, choices: Iterable[str], *, most: int = 3) -> str:
    """Return a hint such as ``"; did you mean 'knn'?"``, or the choices when they are few, or an empty string.

    Example:
        >>> nearest("linear-prob", ["linear-probe", "knn"])
        "; did you mean 'linear-probe'?"
    """
    known = sorted(set(choices))
    folded = {choice.lower(): choice for choice in known}
    close = [folded[hit] for hit in difflib.get_close_matches(name.lower(), list(folded), n=most, cutoff=0.55)]
    if close:
        return "; did you mean " + " or ".join(repr(choice) for choice in close) + "?"
    if 0 < len(known) <= 12:
        return "; known: " + ", ".join(known)
    return ""
