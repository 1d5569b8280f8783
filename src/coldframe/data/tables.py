"""Tables of texts: csv with any separator and with or without a head, JSON lines, parquet; and which column says what."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coldframe.data.folder import SUFFIXES
from coldframe.data.rows import SPLIT_WORDS
from coldframe.errors import DataError, nearest, visible
from coldframe.files import MOST_TEXT, read_bytes

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
LABELS = ("label", "labels", "class", "class_name", "label_name", "class_id", "category", "category_name", "species", "breed",
          "target", "y", "variety", "diagnosis", "dx")  # fmt: skip
"""Names of columns of labels, in small letters."""
SPLITS = ("split", "set", "subset", "partition")
GROUPS = ("group", "group_id")
_SAMPLE = 50


@dataclass
class Table:
    """Rows of texts under names of columns.

    Args:
        path: the file.
        head: names of the columns; numbers from 1 where the file has no head.
        rows: [N][columns].
        first: the line of the first row in the file.
        words: how the file was read, in words.
    """

    path: Path
    head: list[str]
    rows: list[list[str]]
    first: int = 1
    words: str = ""
    headless: bool = field(default=False)

    def column(self, name: str) -> list[str]:
        """Return the texts of a column."""
        number = self.head.index(name)
        return [row[number] for row in self.rows]

    def place(self, row: int) -> str:
        """Return what a person would call a row."""
        return f"{self.path}, line {self.first + row}"


def read_csv(path: Path, here: Callable[[str], bool]) -> Table:
    """Read a table whose separator and head are told by which column names files.

    Args:
        path: UTF-8, or UTF-16 with its mark; bytes of neither are kept as the names of files keep them.
        here: whether a text names a file.

    Raises:
        DataError: it has no rows, rows of unequal length, or no column of files.
    """
    content = read_bytes(path, MOST_TEXT)
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16", "replace") if wide else content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"expected rows of images and labels in {path}, found none; write one image a line")
    best: tuple[int, str] = (0, "")
    for mark in _SEPARATORS:
        sample = _parsed(lines[: _SAMPLE + 1], mark)
        hits = sum(any(here(cell) for cell in row) for row in sample if len(row) > 1)
        best = max(best, (hits, mark), key=lambda pair: pair[0])
    hits, mark = best
    if not hits:
        said = f"expected a column that names image files beside {path}, found none that exists"
        raise DataError(f"{said} (first line {visible(lines[0])[:80]!r}); give their folder, as in csv:{path.name}?root=FOLDER")
    try:
        rows = [row for row in _parsed(text.splitlines(keepends=mark != " "), mark) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        said = f"cannot read {path}: expected a table with {_SEPARATORS[mark]} between columns"
        raise DataError(f"{said}, found {error}") from error
    rows = [[cell.strip() for cell in row] for row in rows]
    headless = any(here(cell) or Path(cell).suffix.lower() in SUFFIXES for cell in rows[0])
    head = [str(number + 1) for number in range(len(rows[0]))] if headless else rows.pop(0)
    first = 1 if headless else 2
    for number, row in enumerate(rows):
        if len(row) != len(head):
            said = f"expected {len(head)} columns in {path}, line {first + number}, found {len(row)}"
            raise DataError(f"{said} ({_SEPARATORS[mark]} between columns); quote what holds the separator")
    words = f"{_SEPARATORS[mark]} between columns, {'no head' if headless else 'a head'}"
    return Table(path, _distinct(path, head), rows, first, words, headless)


def _parsed(lines: Sequence[str], mark: str) -> list[list[str]]:
    if mark == " ":
        return [line.split() for line in lines]
    return list(csv.reader(lines, delimiter=mark, skipinitialspace=True))


def _distinct(path: Path, head: list[str]) -> list[str]:
    twice = next((name for name in head if name and head.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"expected distinct names of columns in {path}, found {twice!r} twice; rename one")
    return head


def read_lines(path: Path) -> Table:
    """Read JSON lines: one object a line; the columns are those of the first."""
    text = read_bytes(path, MOST_TEXT).decode("utf-8", "surrogateescape")
    objects: list[Mapping[str, object]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"expected one JSON object a line in {path}, found another at line {number}; correct it") from error
        if not isinstance(found, dict):
            raise DataError(f"expected one JSON object a line in {path}, found another at line {number}; correct it")
        objects.append(found)
    return _table_of(path, objects)


def read_parquet(path: Path) -> Table:
    """Read a parquet file of texts and numbers; names of the Hub's metadata stand for the numbers that count them."""
    from coldframe.data.columns import features_of, names_of, open_parquet, sound

    file = open_parquet(path)
    with sound(path):
        objects = file.read(use_threads=False).to_pylist()
    described = features_of(file.schema_arrow)
    for column in file.schema_arrow.names:
        names = names_of(described, column, path)
        for row in objects:
            value = row[column]
            if names and isinstance(value, int) and 0 <= value < len(names):
                row[column] = names[value]
    return _table_of(path, objects)


def _table_of(path: Path, objects: Sequence[Mapping[str, object]]) -> Table:
    if not objects:
        raise DataError(f"expected rows of images and labels in {path}, found none; write one image a line")
    head = [str(name) for name in objects[0]]
    return Table(path, head, [[_text(row.get(name)) for name in head] for row in objects])


def _text(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else str(value)


def label_column(table: Table, used: Sequence[str], chosen: str | None, kind: str) -> tuple[str, str]:
    """Return the column of labels, and words where a choice was made among several.

    Args:
        table: the rows.
        used: columns that say something else.
        chosen: the name that was asked for.
        kind: the spec, for errors.

    Raises:
        DataError: there is none, or several that say different things.
    """
    rest = [name for name in table.head if name not in used]
    if chosen is not None:
        if chosen not in rest:
            raise DataError(f"expected labels in column {chosen!r} of {table.path}, found none{nearest(chosen, rest)}")
        return chosen, ""
    named = [name for name in rest if name.lower() in LABELS] or rest
    if not named:
        raise DataError(f"expected a column of labels in {table.path} beside {' and '.join(used)}, found none; add one")
    first = named[0]
    for other in named[1:]:
        if not one_to_one(table.column(first), table.column(other)):
            shown = " and ".join(named[:4])
            raise DataError(f"expected one column of labels in {table.path}, found {shown}; choose, as in {kind}?label={first}")
    spoken = next((name for name in named if not all(re.fullmatch(r"[\d.+-]*", value) for value in table.column(name))), first)
    other = first if spoken != first else named[-1]
    return spoken, f"classes from {spoken!r}, which says the same as {other!r}" if other != spoken else ""


def one_to_one(a: Sequence[str], b: Sequence[str]) -> bool:
    """Return whether equal texts in one always stand beside equal texts in the other."""
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len(set(a)) == len(set(b))


def split_column(table: Table, used: Sequence[str], chosen: str | None) -> str | None:
    """Return the column that names train, val and test: by its name, or without a head by what stands in it."""
    rest = [name for name in table.head if name not in used]
    if chosen is not None:
        if chosen not in rest:
            raise DataError(f"expected splits in column {chosen!r} of {table.path}, found none{nearest(chosen, rest)}")
        return chosen
    if not table.headless:
        return next((name for name in rest if name.lower() in SPLITS), None)
    words = [name for name in rest if {value.lower() for value in table.column(name)} <= SPLIT_WORDS.keys()]
    return words[0] if len(words) == 1 and len(rest) > 1 else None


_ONE = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}


def one_hot(table: Table, used: Sequence[str], chosen: str | None = None) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the names of the columns of 0 and 1, and of each row those with a 1; both empty where there are none.

    Args:
        table: the rows.
        used: columns that say something else.
        chosen: names of columns with commas between, where they were asked for; None takes all that are left.

    Raises:
        DataError: a column that was asked for holds something else.
    """
    rest = [name for name in table.head if name not in used]
    if chosen is not None:
        wanted = [name.strip() for name in chosen.split(",")]
        if chosen in rest or len(wanted) < 2 or not set(wanted) <= set(rest):
            return [], []
        rest = wanted
    elif len(rest) < 2 or any(name.lower() in LABELS for name in rest):
        return [], []
    columns = [[_ONE.get(value.lower()) for value in table.column(name)] for name in rest]
    for name, column in zip(rest, columns, strict=True):
        if None in column and chosen is not None:
            said = f"expected 0 or 1 in column {name!r} of {table.place(column.index(None))}, found another text"
            raise DataError(f"{said}; choose columns of 0 and 1")
        if None in column:
            return [], []
    return rest, [tuple(name for name, one in zip(rest, row, strict=True) if one) for row in zip(*columns, strict=True)]
