"""Columns of parquet files in the way of the Hub: which holds the images, which the labels, and what they say.

Labels may be integers, text, booleans, a dictionary of any of these (pandas' categorical), or lists of one such value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from coldframe.errors import DataError, FileError, nearest
from coldframe.files import explained, regular
from coldframe.files.formats import Hub
from coldframe.files.reading import loads

MOST_BYTES = 2**38
"""Most bytes of one parquet file; it is mapped, not read into memory."""
Described = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Column:
    """The labels of one split as they are stored, and where: (file, number of rows) one after the other."""

    name: str
    values: list[Any]
    rows: tuple[tuple[Path, int], ...]

    def place(self, row: int) -> str:
        """Return what a person would call a row: its file and its number there."""
        for path, count in self.rows:
            if row < count:
                return f"column {self.name!r} of {path}, row {row}"
            row -= count
        raise IndexError(row)


@contextlib.contextmanager
def sound(path: Path) -> Iterator[None]:
    """Turn whatever the reader says of a damaged file, often over several lines, into one sentence."""
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, PermissionError | FileNotFoundError | DataError) or (isinstance(error, OSError) and error.errno):
            raise
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        said = f"cannot read {path}: expected a sound parquet file, found damage or another format ({reason}); fetch it again"
        raise DataError(said) from error


def open_parquet(path: Path) -> Any:
    """Open a parquet file; its columns are read when they are asked for."""
    with explained(path, "read"):
        regular(path, MOST_BYTES)
        with sound(path):
            return pq.ParquetFile(path, memory_map=True)


def features_of(schema: Any) -> Described:
    """Return column -> its description in the Hub's metadata; empty where there is none or it cannot be read."""
    try:
        described = loads((schema.metadata or {}).get(b"huggingface", b"{}"), Hub, "metadata", strict=False).info.features
    except FileError:
        return {}
    return {name: dict(value) for name, value in described.items() if isinstance(value, Mapping)}


def names_of(described: Described, label: str, path: Path) -> list[str]:
    """Return the class names of the Hub's metadata, empty where it has none.

    Raises:
        DataError: they are not distinct texts.
    """
    about = described.get(label, {})
    inner = about.get("feature", about)  # a list of labels is described by what it holds
    names = inner.get("names") if isinstance(inner, Mapping) else None
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"expected names of classes as texts in the metadata of column {label!r} of {path}, found others")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DataError(f"expected distinct names in the metadata of column {label!r} of {path}, found {twice!r} twice")
    return list(names)


def image_column(schema: Any, described: Described, chosen: str | None, place: str) -> str:
    """Return the column of images: a struct with ``bytes``, or binary."""

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fits = [field.name for field in schema if holds_bytes(field.type)]
    told = [name for name in fits if described.get(name, {}).get("_type") == "Image"]
    return _one(told or fits, fits, chosen, "image", schema, place)


def label_column(schema: Any, described: Described, chosen: str | None, image: str, place: str) -> str:
    """Return the column of labels: the Hub's ClassLabel, else one called ``label``, else the only one that can be."""
    fits = [field.name for field in schema if _holds_labels(field.type) and field.name != image]
    told = [name for name in fits if "ClassLabel" in (described.get(name, {}).get("_type"), _inner(described, name))]
    named = [name for name in fits if name == "label"]
    return _one(told or named or fits, fits, chosen, "label", schema, place)


def _inner(described: Described, name: str) -> object:
    inner = described.get(name, {}).get("feature")
    return inner.get("_type") if isinstance(inner, Mapping) else None


def _holds_labels(kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _holds_labels(kind.value_type)
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind))


def _one(found: list[str], fits: list[str], chosen: str | None, what: str, schema: Any, place: str) -> str:
    if chosen is not None:
        if chosen not in fits:
            raise DataError(f"expected {what}s in column {chosen!r} of {place}, found none{nearest(chosen, fits)}")
        found = [chosen]
    if len(found) == 1:
        if schema.names.count(found[0]) > 1:
            raise DataError(f"expected one column {found[0]!r} in {place}, found {schema.names.count(found[0])}; rename one")
        return found[0]
    if not found:
        columns = ", ".join(f"{field.name} ({field.type})"[:80] for field in list(schema)[:12])
        raise DataError(f"expected a column of {what}s in {place}, found none among {columns or 'no columns'}")
    example = f"parquet:{place}?{what}={found[0]}"
    raise DataError(f"expected one column of {what}s in {place}, found {' and '.join(found)}; choose, as in {example}")


def read_labels(paths: Sequence[Path], image: str, label: str) -> Column:
    """Return the labels of some files, a list where a row has several or none.

    Raises:
        DataError: a file lacks a column or is damaged.
    """
    values: list[Any] = []
    rows: list[tuple[Path, int]] = []
    for path in paths:
        file = open_parquet(path)
        for name in (image, label):
            if name not in file.schema_arrow.names:
                raise DataError(f"expected a column {name!r} in {path}, found {', '.join(file.schema_arrow.names)}")
        image_column(file.schema_arrow, {}, image, str(path))
        if not _holds_labels(file.schema_arrow.field(label).type):
            kind = file.schema_arrow.field(label).type
            raise DataError(f"expected whole numbers or texts in column {label!r} of {path}, found {kind}")
        with explained(path, "read"), sound(path):
            found = file.read(columns=[label], use_threads=False).column(0).to_pylist()
        rows.append((path, len(found)))
        values += found
    column = Column(label, values, tuple(rows))
    for row, value in enumerate(values):
        if isinstance(value, list) and len(value) == 1:
            values[row] = value[0]
    return column


def several(columns: Mapping[str, Column], names: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """Return the labels of each row of each split as texts, where rows have several.

    Raises:
        DataError: a label that is none of the names, which numbers count.
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    for split, column in columns.items():
        found[split] = []
        for row, value in enumerate(column.values):
            parts = value if isinstance(value, list) else [] if value is None else [value]
            if names:
                for part in parts:
                    if part not in names and not (type(part) is int and 0 <= part < len(names)):
                        said = f"expected a label from 0 to {len(names) - 1} in {column.place(row)}, found {str(part)[:60]!r}"
                        raise DataError(f"{said}; correct it, or the names in the metadata")
                parts = [names[part] if type(part) is int else part for part in parts]
            found[split].append(tuple(dict.fromkeys(str(part) for part in parts if part is not None)))
    return found


def numbered(columns: Mapping[str, Column], names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """Return the names of the classes, and the labels of each split as their indices [N].

    Args:
        columns: the labels of each split.
        names: those that integer labels count; where empty, the values themselves, sorted, are the classes.

    Raises:
        DataError: a row without a label, or one that names no class; the file, the column and the row are named.
    """
    for column in columns.values():
        for row, value in enumerate(column.values):
            if value is None or (value == -1 and value is not True):
                found = "none" if value is None else "-1, which stands for none"
                raise DataError(f"expected a label in {column.place(row)}, found {found}; remove that row or file")
    if names:
        for column in columns.values():
            for row, value in enumerate(column.values):
                whole = isinstance(value, int) and 0 <= value < len(names)
                if not whole and value not in names:
                    said = f"expected a label from 0 to {len(names) - 1} in {column.place(row)}, found {str(value)[:60]!r}"
                    raise DataError(f"{said}; correct it, or the names in the metadata")
        index: dict[Any, int] = {name: number for number, name in enumerate(names)}
        index |= {number: number for number in range(len(names))}
    else:
        every = {value for column in columns.values() for value in column.values}
        kinds = sorted({type(value).__name__ for value in every})
        if len(kinds) > 1:
            paths = " and ".join(str(column.rows[0][0]) for column in columns.values())
            raise DataError(f"expected labels of one type in {paths}, found {' and '.join(kinds)}; store them alike")
        known = sorted(every)
        index, names = {value: number for number, value in enumerate(known)}, [str(value) for value in known]
    labels = {
        split: np.fromiter((index[value] for value in column.values), dtype=np.int64, count=len(column.values))
        for split, column in columns.items()
    }
    return tuple(names), labels
