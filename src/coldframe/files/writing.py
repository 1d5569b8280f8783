"""The only writer of files: a file is either whole or absent (temporary file in the same folder, flushed, renamed).

A full disk is one sentence, and nothing is ever pickled.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coldframe.errors import FileError
from coldframe.files.system import explained

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from torch import Tensor

_LONE = re.compile("[\ud800-\udfff]")
"""Halves of a pair of UTF-16: a byte of a file name that is not UTF-8 arrives as one."""


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success rename it over ``path``, on failure remove it.

    Args:
        path: the file that is to exist afterwards.
        suffix: ending of the temporary name, where a writer decides the format by it.
    """
    path = Path(path)
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=suffix or ".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write ``content`` so that ``path`` is whole or absent; return the path."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def encoded(text: str) -> bytes:
    """Return UTF-8; a byte of a file name that is not UTF-8 is written out, as in ``rose\\\\udcff.jpg``."""
    return text.encode("utf-8", "backslashreplace")


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text so that ``path`` is whole or absent; return the path."""
    return write_bytes(path, encoded(text))


def write_json(path: str | Path, value: object) -> Path:
    """Write ``value`` as indented JSON; numbers that are not finite are refused by name of the file."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise FileError(f"cannot write {path}: a value is not a finite number or not JSON ({error})") from error
    # JSON can carry half a pair as an escape, so that the path of a file whose name is not UTF-8 is read back as it was.
    return write_text(path, _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def as_csv(lines: Iterable[Iterable[object]]) -> str:
    """Return lines of cells as comma-separated values, the first line usually a head; None is left empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Path:
    """Write named tensors and string metadata in the safetensors format."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return write_bytes(path, save(plain, dict(metadata or {})))


def write_figure(path: str | Path, save: Callable[[Path], object]) -> Path:
    """Write a picture: ``save`` is called with a temporary path of the same suffix."""
    path = Path(path)
    with replacing(path, suffix=path.suffix) as temporary:
        save(temporary)
    return path


@contextlib.contextmanager
def holding(path: str | Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, made when absent, inside the block; the kernel drops it when the process ends, however it ends.

    Args:
        path: the file.
        wait: wait until another process lets go.

    Yields:
        False where another process holds it and ``wait`` is False; on file systems without locks always True.
    """
    path = Path(path)
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        held = True
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                held = False
            except OSError:
                pass
        yield held


def append_line(path: str | Path, line: str) -> None:
    """Append one line to a log file, creating it and its folder when absent."""
    path = Path(path)
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(line.rstrip("\n") + "\n")


def remove_folder(path: str | Path) -> None:
    """Remove a folder and all it holds; absent is fine."""
    path = Path(path)
    with explained(path, "remove"):
        if path.exists():
            shutil.rmtree(path)
