"""Paths, and one sentence for what the system says of them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from coldframe.errors import FileError


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` inside the block into a :class:`FileError` of one sentence."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(_sentence(error, path, doing)) from error


def _sentence(error: OSError, path: Path, doing: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot {doing} {path}: the disk is full; free space or choose another disk (--out, COLDFRAME_CACHE)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot {doing} {path}: permission denied; choose a folder that you may write to"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"cannot {doing} {path}: a file stands where a folder is needed; choose another folder"
    return f"cannot {doing} {path}: {error.strerror or error}"


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` and ``~name`` replaced by the home folder.

    Raises:
        FileError: nobody has this name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        said = f"expected a path, found {str(path)!r}: nobody on this machine has this name; write the path out"
        raise FileError(said) from error


def is_file(path: str | Path) -> bool:
    """Return whether a text is the path of a file; a text that cannot be a path, such as a long list of names, is none."""
    try:
        return expanded(path).is_file()
    except (OSError, ValueError):
        return False


def exists(path: str | Path) -> bool:
    """Return whether a text is the path of a file or folder; a text that cannot be a path is none."""
    try:
        return expanded(path).exists()
    except (OSError, ValueError):
        return False


def slug(text: str, *, keep: str = "-_.", between: str = "-", most: int = 120) -> str:
    """Return a text as the name of a file: letters, digits and ``keep``; what lies between them becomes ``between``.

    No name begins or ends with a dot or a dash, and none is empty.

    Example:
        >>> slug("mini:cifar10+mini:mnist"), slug("Gaussian noise", between="_")
        ('mini-cifar10-mini-mnist', 'Gaussian_noise')
    """
    name = between.join("".join(c if c.isalnum() or c in keep else " " for c in text).split())
    return name.strip("-.")[:most] or "unnamed"


def cache_root() -> Path:
    """Return the folder of everything that can be computed again: ``COLDFRAME_CACHE``, else the user's cache."""
    chosen = os.environ.get("COLDFRAME_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldframe"


def data_root() -> Path | None:
    """Return the folder of shared data: ``COLDFRAME_DATA``, else ``../shared/data`` from the project's root, else None."""
    chosen = os.environ.get("COLDFRAME_DATA")
    if chosen:
        return Path(chosen)
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data"
    return beside if beside.is_dir() else None
