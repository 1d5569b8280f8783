"""Foreign files are read without executing anything: regular ones of at most so many bytes, never a pipe or a device."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from coldframe.errors import FileError
from coldframe.files.system import explained

if TYPE_CHECKING:
    from torch import Tensor

MOST_TEXT = 2**28
"""Most bytes of a file of text that is read: settings, lists, results."""
MOST_WEIGHTS = 2**38
"""Most bytes of a file of weights."""
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def regular(path: str | Path, most: int) -> int:
    """Return the size in bytes of a regular file of at most ``most``: a pipe would wait for ever, a device never end.

    Raises:
        FileError: it is something else, is larger, or cannot be looked at; links are followed.
    """
    path = Path(path)
    with explained(path, "read"):
        return _measured(path.stat(), path, most)


def _measured(found: os.stat_result, path: Path, most: int) -> int:
    kind = next((name for test, name in _KINDS if test(found.st_mode)), "")
    if kind:
        raise FileError(f"expected a regular file at {path}, found {kind}; remove it or give another path")
    if found.st_size > most:
        sizes = f"at most {most:,} bytes, found {found.st_size:,}"
        raise FileError(f"refused to read {path}: expected {sizes}; give a smaller file")
    return found.st_size


def opened(path: str | Path, most: int) -> BinaryIO:
    """Open a regular file of at most ``most`` bytes for reading; see :func:`regular`. A system error stays one."""
    path = Path(path)
    _measured(path.stat(), path, most)
    # Should a pipe have taken the file's place since, opening it does not wait.
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        _measured(os.fstat(file.fileno()), path, most)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: str | Path, most: int) -> bytes:
    """Return the bytes of a regular file of at most ``most``."""
    path = Path(path)
    with explained(path, "read"), opened(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:  # files of the kernel have no size before they are read
        raise FileError(f"refused to read {path}: expected at most {most:,} bytes, found more; give a smaller file")
    return content


def read_text(path: str | Path) -> str:
    """Return the UTF-8 text of a regular file of at most ``MOST_TEXT`` bytes."""
    path = Path(path)
    with explained(path, "read"):
        try:
            return read_bytes(path, MOST_TEXT).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            raise FileError(f"cannot read {path}: expected UTF-8 text, found other bytes at {error.start}") from error


def read_json(path: str | Path) -> Any:
    """Return the value of a JSON file; one sentence when it is not JSON."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"cannot read {path}: expected JSON, found an error at {place}") from error


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    with explained(path, "read"):
        regular(path, MOST_WEIGHTS)
        try:
            with safe_open(path, framework="pt") as archive:
                return {name: archive.get_tensor(name) for name in archive.keys()}, dict(archive.metadata() or {})  # noqa: SIM118
        except SafetensorError as error:
            raise FileError(f"cannot read {path}: expected a safetensors file, found damage; fetch it again") from error
