"""What can be loaded, and what of it is on this disk. The network is never used, and no weights are read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from coldframe.backbones.index import Line, count, indexed
from coldframe.errors import InputError, nearest


@dataclass(frozen=True)
class Listed:
    """One line of the list.

    Args:
        id: what to load it by.
        on_disk: the weights are on this machine.
        random: there are none, and the id loads with random ones.
        path: their file, or None.
        parameters: how many there are, text tower and head included; None where they cannot be counted here.
        bytes: size of the file where it is here; elsewhere 4 bytes per parameter.
        licence: of the weights, as their zoo states it.
    """

    id: str
    on_disk: bool
    random: bool
    path: str | None
    parameters: int | None
    bytes: int | None
    licence: str

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values."""
        return asdict(self)


def list_models(pattern: str | None = None, *, on_disk: bool = False, limit: int = 40) -> tuple[list[Listed], int]:
    """Return the first ``limit`` ids that match, those on this disk first, and how many match in all.

    Args:
        pattern: part of an id in any case, or a glob such as ``"timm:vit_*dino*"``; None matches all.
        on_disk: only ids whose trained weights are on this disk.
        limit: how many to describe; parameters are counted for these only.

    Raises:
        InputError: nothing matches, with the nearest names.
    """
    if limit < 1:
        raise InputError(f"expected a limit of 1 or more, found {limit}")
    every = indexed()
    matching = [line for line in every if pattern is None or _matches(line.id, pattern)]
    if not matching:
        names = {part for line in every for part in (line.id, line.id.partition(":")[2].partition("/")[0]) if part}
        raise InputError(f"no model matches {pattern!r}{nearest(str(pattern), names)}")
    found = [(line, line.place()) for line in matching]
    if on_disk:
        found = [(line, path) for line, path in found if path is not None]
    found.sort(key=lambda pair: pair[1] is None)
    count([line for line, _ in found[:limit]], every)
    return [_listed(line, path) for line, path in found[:limit]], len(found)


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.lower(), pattern.lower()
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[2], pattern)
    return pattern in name


def _listed(line: Line, path: Path | None) -> Listed:
    parameters = line.parameters if isinstance(line.parameters, int) else None
    size = path.stat().st_size if path is not None else parameters * 4 if parameters is not None else None
    here = str(path) if path is not None else None
    return Listed(line.id, here is not None, line.random, here, parameters, size, line.licence)


def licence_of(name: str) -> str:
    """Return the licence of a model's weights as their zoo states it; empty where it does not, and for one's own checkpoint."""
    return next((line.licence for line in indexed() if line.id == name), "")
