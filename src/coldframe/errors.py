"""One family of errors. Each message is one sentence: what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
