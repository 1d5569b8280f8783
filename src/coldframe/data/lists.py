"""``csv:FILE``: a table of images and labels, one image a row.

Commas, semicolons, tabs, bars or spaces stand between columns; a head is told from a row by whether it names a file. The
column of images is the one whose texts exist on disk, from the table's folder, a folder in it, or ``?root=``; without their
ending too. Labels are in the column of a name such as ``label`` or ``class``, in the only one left, in one-hot columns, or
where ``?label=`` says. Lists, bars and rows with other than one 1 are several labels per image; ``?separator=`` names
another mark, and ``?label=a,b,c`` columns of 0 and 1. ``split`` and ``group`` are read where they exist;
``?image= ?label= ?split= ?group=`` choose.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from coldframe.data.base import Dataset, LoadOptions
from coldframe.data.choices import choices_of
from coldframe.data.folder import SUFFIXES, Files
from coldframe.data.rows import Listing, dataset_of
from coldframe.data.tables import GROUPS, Table, label_column, one_hot, read_csv, read_lines, read_parquet, split_column
from coldframe.data.targets import Targets, parted, single
from coldframe.errors import DataError, nearest
from coldframe.files import expanded, explained

CHOICES = ("image", "label", "split", "group", "root", "separator")
_MOST_ROOTS = 200


class ImageFinder:
    """Finds the files that texts name: from a folder, a folder in it, or its parent, with or without their ending."""

    def __init__(self, roots: list[Path]) -> None:
        self.roots = roots
        self._stems: dict[Path, dict[str, list[str]]] = {}

    def within(self, root: Path, text: str) -> Path | None:
        """Return the image of a text in one folder, or None."""
        if not text or "\x00" in text or len(text) > 4096:
            return None
        path = root / text
        try:
            if path.suffix.lower() in SUFFIXES and path.is_file():
                return path
        except OSError:
            return None
        beside = self._of(path.parent).get(path.name, ())
        if len(beside) > 1:
            said = f"expected one image of the name {text!r} in {path.parent}, found {' and '.join(beside)}"
            raise DataError(f"{said}; write endings")
        return path.parent / beside[0] if beside else None

    def _of(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._stems:
            stems: dict[str, list[str]] = {}
            try:
                names = sorted(os.listdir(folder))  # noqa: PTH208
            except OSError:
                names = []
            for name in names:
                if Path(name).suffix.lower() in SUFFIXES:
                    stems.setdefault(Path(name).stem, []).append(name)
            self._stems[folder] = stems
        return self._stems[folder]

    def here(self, text: str) -> bool:
        """Return whether a text names an image in any of the folders."""
        return any(self.within(root, text) is not None for root in self.roots)


def load(rest: str, options: LoadOptions) -> Dataset:
    """Load ``csv:FILE``. See the module's text.

    Raises:
        DataError: the table or its columns cannot be told apart, or a row names no file or two labels.
    """
    place, choice = choices_of("csv", rest, CHOICES)
    path = expanded(place)
    if not path.is_file():
        siblings = [file.name for file in path.parent.glob("*.*")][:1000] if path.parent.is_dir() else []
        hint = nearest(path.name, siblings)
        raise DataError(f"expected a table at {path}, found none{hint if 'did you mean' in hint else '; check the path'}")
    root = choice.get("root")
    found = ImageFinder([expanded(root)] if root else _roots(path.parent))
    return dataset_of(listing(f"csv:{rest}", read_table(path, found), choice, found, options), options)


def read_table(path: Path, found: ImageFinder) -> Table:
    """Read a table of any of the three kinds, by its ending."""
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return read_lines(path)
    return read_parquet(path) if path.suffix.lower() == ".parquet" else read_csv(path, found.here)


def _roots(folder: Path) -> list[Path]:
    with explained(folder, "read"):
        inside = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    return [folder, *inside[:_MOST_ROOTS], folder.parent]


def listing(spec: str, table: Table, choice: Mapping[str, str], found: ImageFinder, options: LoadOptions) -> Listing:
    """Return the rows of a table; every row's file was looked for."""
    image, root = _images(spec, table, choice.get("image"), found)
    paths = [found.within(root, text) for text in table.column(image)]
    missing = [number for number, path in enumerate(paths) if path is None]
    notes = [f"{table.path.name}: {', '.join(filter(None, (table.words, f'images in {image!r}')))}"]
    if missing:
        if options.on_error == "raise":
            row = missing[0]
            more = f" (and {len(missing) - 1:,} more rows)" if len(missing) > 1 else ""
            text = table.column(image)[row][:80]
            said = f"expected an image {text!r} of {table.place(row)} in {root}, found none{more}"
            raise DataError(f"{said}; correct the table, or --on-error skip")
        notes.append(f"{len(missing):,} rows left out whose images are missing")
        kept = [number for number, path in enumerate(paths) if path is not None]
        table = Table(table.path, table.head, [table.rows[n] for n in kept], table.first, table.words, table.headless)
    files = [path for path in paths if path is not None]
    split = split_column(table, [image], choice.get("split"))
    group = choice.get("group") or next((name for name in table.head if name.lower() in GROUPS), None)
    if group is not None and group not in table.head:
        raise DataError(f"expected groups in column {group!r} of {table.path}, found none{nearest(group, table.head)}")
    used = [name for name in (image, split, group) if name is not None]
    classes, ones = one_hot(table, used, choice.get("label"))
    tags: list[tuple[str, ...]] | None = None
    if classes:
        labels_in = f"the columns of 0 and 1 of {table.path}"
        other = next((row for row, found_ones in enumerate(ones) if len(found_ones) != 1), None)
        if other is None and options.targets != "several":
            notes.append(f"classes are the {len(classes)} columns of 0 and 1")
        elif options.targets in ("classes", "ranks") and other is not None:
            said = f"expected one 1 among the columns of classes in {table.place(other)}, found {len(ones[other])}"
            raise DataError(f"{said}; leave targets out for several labels per image")
        else:
            tags = ones
            notes.append(f"several labels per image: the {len(classes)} columns of 0 and 1")
        labels = ["|".join(found_ones) for found_ones in ones]
    else:
        label, words = label_column(table, used, choice.get("label"), spec)
        labels = single(table.column(label))
        notes += [words, f"labels in {label!r}"]
        labels_in = f"column {label!r} of {table.path}"
        if (several := parted(labels, options.targets, choice.get("separator"))) is not None:
            tags = several[0]
            notes.append(f"several labels per image: {several[1]}")
        else:
            _single(table, label, labels, options.targets)
    kept_rows, repeated = once(table.place, files, labels, None if split is None else table.column(split))
    if repeated:
        notes.append(f"{repeated:,} rows left out that repeat a row")

    def some(values: list[str] | None) -> list[str] | None:
        return None if values is None else [values[number] for number in kept_rows]

    return Listing(
        spec, Files(files[number] for number in kept_rows), [labels[number] for number in kept_rows],
        some(None if split is None else table.column(split)), some(None if group is None else table.column(group)),
        place=lambda row: table.place(kept_rows[row]), notes=[note for note in notes if note],
        labels_in=labels_in, tags=None if tags is None else [tags[number] for number in kept_rows],
        names=classes if tags is not None and classes else None,
    )  # fmt: skip


def _images(spec: str, table: Table, chosen: str | None, found: ImageFinder) -> tuple[str, Path]:
    """Return the column of images and the folder that its texts start from.

    Raises:
        DataError: none exists, or two columns or folders fit equally well.
    """
    if chosen is not None and chosen not in table.head:
        raise DataError(f"expected images in column {chosen!r} of {table.path}, found none{nearest(chosen, table.head)}")
    step = max(1, len(table.rows) // 100)
    hits: Counter[tuple[str, Path]] = Counter()
    for row in table.rows[::step]:
        for name, text in zip(table.head, row, strict=True):
            if chosen in (None, name):
                hits.update((name, root) for root in found.roots if found.within(root, text) is not None)
    if not hits:
        said = f"expected a column of {table.path} that names image files, found none among {', '.join(table.head[:12])}"
        raise DataError(f"{said}; give their folder, as in {spec}{'&' if '?' in spec else '?'}root=FOLDER")
    (best, most), *others = hits.most_common()
    # The same file reached from two folders is one answer.
    rivals = [key for key, count in others if count == most and not _same(table, best, key, found)]
    if rivals:
        column, root = rivals[0]
        what, key, one = ("columns", "image", best[0]) if column != best[0] else ("folders", "root", str(best[1]))
        pair = f"{best[0]} and {column}" if column != best[0] else f"{best[1]} and {root}"
        said = f"expected one place of the images of {table.path}, found the {what} {pair}"
        raise DataError(f"{said}; choose, as in ?{key}={one}")
    return best


def _same(table: Table, one: tuple[str, Path], other: tuple[str, Path], found: ImageFinder) -> bool:
    if one[0] != other[0]:
        return False
    for text in table.column(one[0])[:5]:
        first, second = found.within(one[1], text), found.within(other[1], text)
        if first is None or second is None or not first.samefile(second):
            return False
    return True


def _single(table: Table, label: str, labels: list[str], targets: Targets) -> None:
    """Refuse numbers with fractions, unless they are ranks."""
    if targets == "ranks":
        return

    def fraction(text: str) -> bool:
        try:
            return float(text) % 1 != 0
        except (ValueError, OverflowError):
            return False

    wrong = next((n for n, text in enumerate(labels) if fraction(text)), None)
    if wrong is not None:
        said = f"expected classes in column {label!r} of {table.place(wrong)}, found {labels[wrong][:20]!r}"
        raise DataError(f"{said}; coldframe sorts into classes: choose another column, as in ?label=NAME, or ?targets=ranks")


def once(
    place: Callable[[int], str], files: Sequence[Path], labels: Sequence[str], splits: Sequence[str] | None
) -> tuple[list[int], int]:
    """Return the rows to keep where a file is listed twice alike, and how many repeat one.

    Args:
        place: what a person would call a row.
        files: of each row, as are the others.
        labels: class names.
        splits: names of splits, where they are said.

    Raises:
        DataError: a file is listed with two labels or in two splits.
    """
    known: dict[Path, int] = {}
    for row, file in enumerate(files):
        first = known.setdefault(file, row)
        if labels[first] != labels[row]:
            said = f"expected one label for {file}, found {labels[first]!r} and {labels[row]!r} ({place(row)})"
            raise DataError(f"{said}; keep one row")
        if splits is not None and splits[first] != splits[row]:
            said = f"expected {file} in one split, found it in {splits[first]!r} and {splits[row]!r} ({place(row)})"
            raise DataError(f"{said}; keep one row")
    return list(known.values()), len(files) - len(known)
