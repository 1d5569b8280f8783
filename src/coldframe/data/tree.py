"""What lies in a folder: image files at any depth, what was left out and why. Links inside the folder are followed, loops
end.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from coldframe.data.folder import SUFFIXES
from coldframe.data.splits import counted
from coldframe.errors import DataError
from coldframe.files import explained

MOST_ENTRIES = 20_000_000
"""Most names of files and folders that are looked at."""
_TABLES = frozenset(
    [".csv", ".tsv", ".json", ".jsonl", ".txt", ".xlsx", ".parquet", ".xml", ".yaml", ".md", ".html", ".pdf", ".tex"]
)


SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vsi")
"""Endings of whole-slide images."""


@dataclass
class Tree:
    """Image files of a folder.

    Args:
        root: the folder.
        images: folder below the root, as parts -> names of its image files, sorted.
        folders: folder -> names of the folders in it, sorted, empty ones too.
        tables: folder -> names of files that may hold labels.
        left: why files were left out, each with how many.
    """

    root: Path
    images: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    folders: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    tables: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)

    def path(self, *parts: str) -> Path:
        """Return a path below the root."""
        return self.root.joinpath(*parts)

    def below(self, at: tuple[str, ...]) -> list[str]:
        """Return the image files below a folder, as paths from it, sorted."""
        n = len(at)
        found = ["/".join((*folder[n:], name)) for folder, names in self.images.items() if folder[:n] == at for name in names]
        return sorted(found)

    def kept(self, at: tuple[str, ...]) -> list[str]:
        """Return the folders in a folder that hold an image at any depth."""
        return [name for name in self.folders.get(at, []) if self.holds((*at, name))]

    def holds(self, at: tuple[str, ...]) -> bool:
        """Return whether an image lies in a folder or below it."""
        return bool(self.images.get(at)) or any(self.holds((*at, name)) for name in self.folders.get(at, []))

    def words(self) -> str:
        """Return what was left out, by reason; empty where nothing was."""
        if not self.left:
            return ""
        return f"{sum(self.left.values()):,} files left out: {counted(self.left.elements())}"


def scan(root: Path, *, links: bool = False) -> Tree:
    """Look at a folder once.

    Args:
        root: the folder.
        links: follow links that lead outside, too.

    Raises:
        DataError: it holds more than :data:`MOST_ENTRIES` names.
    """
    tree, home = Tree(root), os.path.realpath(root)
    waiting: list[tuple[tuple[str, ...], frozenset[str]]] = [((), frozenset([home]))]
    looked = 0
    while waiting:
        at, above = waiting.pop()
        with explained(root.joinpath(*at), "read"), os.scandir(root.joinpath(*at)) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        looked += len(listed)
        if looked > MOST_ENTRIES:
            raise DataError(f"expected at most {MOST_ENTRIES:,} files and folders in {root}, found more; give a folder in it")
        images, folders, tables = [], [], []
        for entry in listed:
            if entry.name.startswith((".", "__")):
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else ""
            if real and not links and os.path.commonpath([home, real]) != home:
                tree.left["links to outside the folder (?links=all follows them)"] += 1
            elif entry.is_dir():
                real = real or os.path.realpath(entry.path)
                if real in above:
                    tree.left["links to a folder above"] += 1
                    continue
                folders.append(entry.name)
                waiting.append(((*at, entry.name), above | {real}))
            elif (ending := Path(entry.name).suffix.lower()) in SUFFIXES:
                images.append(entry.name)
            elif ending in _TABLES:
                tables.append(entry.name)
            else:
                tree.left[_reason(ending)] += 1
        tree.images[at], tree.folders[at], tree.tables[at] = images, folders, tables
    return tree


def _reason(ending: str) -> str:
    if ending in (".heic", ".heif"):
        return f"{ending} (convert them to JPEG or PNG)"
    if ending in SLIDES:
        return f"{ending} (whole-slide images: cut them into tiles)"
    if ending in (".dcm", ".nii", ".npy", ".mp4", ".avi", ".mov", ".zip", ".gz", ".tar"):
        return f"{ending} (no picture that coldframe reads)"
    return ending or "without ending"
