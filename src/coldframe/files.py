"""The only writer of files, and the reader of foreign ones.

Requirements kept here: a file is either whole or absent (temporary file in the same folder, flushed, renamed); a full
disk is one sentence; foreign weights are read without executing anything; nothing is ever pickled.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from coldframe.errors import FileError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

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
_LONE = re.compile("[\ud800-\udfff]")
"""Halves of a pair of UTF-16: a byte of a file name that is not UTF-8 arrives as one."""


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


def remove_folder(path: str | Path) -> None:
    """Remove a folder and all it holds; absent is fine."""
    path = Path(path)
    with explained(path, "remove"):
        if path.exists():
            shutil.rmtree(path)


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
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return beside if beside.is_dir() else None
