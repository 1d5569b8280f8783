"""Image files that paths, folders and globs name: counted while they are looked for, and never without end."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from coldframe.data.base import OnError, Unreadable
from coldframe.data.folder import SUFFIXES, Files
from coldframe.data.splits import counted, unreadable
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import expanded, explained

MOST_FILES = 10_000
"""Most image files of one command; more are a data set, for ``coldframe extract`` in shards."""
MOST_ENTRIES = 1_000_000
"""Most names of files and folders that are looked at for one command."""
_EVERY = 5_000
_MAGIC = frozenset("*?[")

Seen = Callable[[int, int], None]
"""Called with (names looked at, images found) now and then, while a large tree is searched."""


def find_files(
    places: Iterable[str | Path], *, most: int = MOST_FILES, most_entries: int = MOST_ENTRIES, seen: Seen | None = None
) -> list[Path]:
    """Return the image files that paths, folders (searched below) and globs name, each once, in order.

    A path of a file is taken as it is. Folders and globs give the files with an image's ending; hidden names, and links to
    folders below ``**``, are not followed.

    Args:
        places: paths, folders and globs; ``**`` stands for any folders.
        most: image files, at most.
        most_entries: names looked at, at most.
        seen: see :data:`Seen`.

    Raises:
        DataError: a place does not exist, or holds no image.
        InputError: there are more files than ``most``, or the tree is larger than ``most_entries``.
    """
    found: dict[Path, None] = {}
    looked = 0
    for place in places:
        path = expanded(place)
        if path.is_file():
            found[path] = None
            continue
        hits = []
        parts = (*path.parts, "**") if path.is_dir() else path.parts
        for entry in _walk(parts):
            looked += 1
            if entry is not None:
                hits.append(entry)
            if seen is not None and looked % _EVERY == 0:
                seen(looked, len(found) + len(hits))
            if looked > most_entries:
                said = f"expected at most {most_entries:,} files and folders at {place}, found more after {len(hits):,} images"
                raise InputError(f"{said}; name a narrower folder or pattern")
            if len(found) + len(hits) > most:
                said = f"expected at most {most:,} image files at {place}, found more; name a narrower folder or pattern"
                raise InputError(f"{said}, or allow more with --most-images (most= in Python)")
        if not hits:
            what = "no image in this folder" if path.is_dir() else "no image" if looked else "nothing"
            raise DataError(f"expected image files at {place}, found {what}; check the path")
        found |= dict.fromkeys(sorted(hits))
    return list(found)


def _walk(parts: Sequence[str]) -> Iterator[Path | None]:
    """Yield the image files that match a pattern, and None for whatever else is looked at; no folder is listed twice."""
    first = next((number for number, part in enumerate(parts) if _MAGIC & set(part)), len(parts) - 1)
    waiting = [(Path(*parts[:first]), {tuple(parts[first:])})]
    while waiting:
        folder, patterns = waiting.pop()
        patterns |= {rest for pattern in patterns for rest in _behind(pattern)}
        for entry in _entries(folder, {pattern[0] for pattern in patterns}):
            fitting = [pattern for pattern in patterns if _fits(entry.name, pattern[0])]
            found = None
            if fitting and entry.is_dir():
                into = not entry.is_symlink()
                below = {pattern[1:] for pattern in fitting if pattern[1:] and pattern[0] != "**"}
                below |= {pattern for pattern in fitting if pattern[0] == "**" and into}
                if below:
                    waiting.append((folder / entry.name, below))
            elif any(len(pattern) == 1 for pattern in fitting) and Path(entry.name).suffix.lower() in SUFFIXES:
                found = folder / entry.name
            yield found


def _behind(pattern: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what is left of a pattern in a folder where its leading ``**`` stand for no folder."""
    while pattern[0] == "**" and pattern[1:]:
        pattern = pattern[1:]
        yield pattern


def _entries(folder: Path, heads: set[str]) -> Iterator[os.DirEntry[str] | Path]:
    """Yield what lies in a folder, or only what the heads of patterns name if none of them stands for several names."""
    if not any(_MAGIC & set(head) for head in heads):
        yield from (folder / head for head in heads if (folder / head).exists())
    elif folder.is_dir():
        yield from (folder / head for head in heads if head == "..")
        with explained(folder, "read"), os.scandir(folder) as entries:
            yield from entries


def _fits(name: str, head: str) -> bool:
    if not _MAGIC & set(head):
        return name == head
    hidden = name.startswith((".", "__")) and not head.startswith((".", "__"))
    return not hidden and (head == "**" or fnmatch.fnmatchcase(name, head))


def unlabelled(spec: str) -> Path | None:
    """Return the folder of a spec that holds images and no folders, so no classes; None for anything else."""
    place = expanded(spec.removeprefix("folder:"))
    if "?" in spec or not place.is_dir():
        return None
    with explained(place, "read"):
        inside = [entry for entry in place.iterdir() if not entry.name.startswith((".", "__"))]
    loose = any(entry.suffix.lower() in SUFFIXES for entry in inside)
    tables = any(entry.name.lower().startswith("metadata.") for entry in inside)
    return place if loose and not tables and not any(entry.is_dir() for entry in inside) else None


def readable(files: Sequence[Path], on_error: OnError = "raise") -> tuple[list[Path], dict[str, str]]:
    """Return the files that decode, and those left out with a few words why: the same for every verb that reads files.

    Args:
        files: paths.
        on_error: ``"raise"`` stops at the first file that does not decode, before any work; ``"skip"`` leaves it out.

    Raises:
        Unreadable: a file does not decode.
        DataError: none does.
        InputError: an unknown ``on_error``.
    """
    if on_error not in ("raise", "skip"):
        raise InputError(f"unknown on_error {on_error!r}{nearest(str(on_error), ['raise', 'skip'])}")
    held = Files(tuple(files))
    bad = unreadable(held)
    if bad and on_error == "raise":
        held.open(min(bad))
        raise Unreadable(f"cannot use {held.name(min(bad))}: {bad[min(bad)]}; remove it, or --on-error skip", bad[min(bad)])
    left = {str(files[number]): why for number, why in bad.items()}
    if left and len(left) == len(files):
        raise DataError(f"expected an image among {len(files)} files that can be used, found none ({counted(left.values())})")
    return [file for number, file in enumerate(files) if number not in bad], left


def left_out(left: dict[str, str]) -> str:
    """Return the line that says what was left out, by reason; empty where nothing was."""
    files = "1 file" if len(left) == 1 else f"{len(left):,} files"
    return f"left out {files}: {counted(left.values())}" if left else ""
