"""``parquet:PATH``: parquet files in the way of the Hub, a file or a folder of them.

Splits are told by file names (``train-00000-of-00002.parquet``, ``test*``, ``valid*``) or, failing that, by the name of
the folder that holds the file. Columns are told by type: images are a struct with ``bytes`` or a binary column, labels a
ClassLabel of the Hub's metadata, else integers, else text. ``parquet:PATH?image=img&label=fine_label`` chooses them, and
``&test=1000`` measures on so many of the test images, drawn evenly over the classes with seed 0.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coldframe.data.base import Dataset, LoadOptions, Split, Unreadable
from coldframe.data.columns import (
    features_of,
    image_column,
    label_column,
    names_of,
    numbered,
    open_parquet,
    read_labels,
    several,
    sound,
)
from coldframe.data.folder import SPLIT_NAMES
from coldframe.data.rows import sorted_names
from coldframe.data.sampling import evenly
from coldframe.data.splits import assemble
from coldframe.data.stored import Stored
from coldframe.data.targets import matrix, of_several
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import expanded, explained

CHOICES = ("image", "label", "test")
"""What may stand behind the ``?``."""
KEPT_BYTES = 2**30
"""Row groups stay in memory up to this many bytes per split; the longest unused goes first."""


class Rows(Stored):
    """Pictures in the rows of parquet files, read a row group at a time when one of its rows is asked for."""

    def __init__(self, paths: Sequence[Path], column: str, kept_bytes: int = KEPT_BYTES) -> None:
        self._files = [open_parquet(path) for path in paths]
        self._paths, self._column, self._kept_bytes = tuple(paths), column, kept_bytes
        self._groups = [(f, g) for f, file in enumerate(self._files) for g in range(file.metadata.num_row_groups)]
        counts = [self._files[f].metadata.row_group(g).num_rows for f, g in self._groups]
        self._starts = np.cumsum([0, *counts])
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def bytes(self, index: int) -> bytes:
        """Return the stored bytes of picture ``index``."""
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        value = self._group(number)[index - int(self._starts[number])].as_py()
        if value is None:
            said = f"expected the bytes of an image in {self.name(index)}, found none; store images, not paths"
            raise Unreadable(said, "without bytes")
        return bytes(value)

    def _group(self, number: int) -> Any:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            file, group = self._groups[number]
            with explained(self._paths[file], "read"), sound(self._paths[file]):
                values = self._files[file].read_row_group(group, columns=[self._column], use_threads=False).column(0)
            if pa.types.is_struct(values.type):
                values = pc.struct_field(values, "bytes")
            self._kept[number] = values
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)
            return values

    def name(self, index: int) -> str:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        file = self._groups[number][0]
        first = next(int(self._starts[n]) for n, (f, _) in enumerate(self._groups) if f == file)
        return f"{self._paths[file]} row {index - first}"


def load(path: str, options: LoadOptions) -> Dataset:
    """Load a data set from parquet. See the module's text for layouts and columns.

    A test or validation split whose labels are all withheld (-1 or none) is left out, and ``origin`` says so.

    Raises:
        DataError: files are missing or damaged, the columns cannot be told apart, or labels cannot be used.
        InputError: an unknown choice behind the ``?``.
    """
    place, _, query = path.partition("?")
    choice = dict(parse_qsl(query, keep_blank_values=True))
    for key in choice:
        if key not in CHOICES:
            raise InputError(f"unknown choice {key!r} in parquet:{path}{nearest(key, CHOICES)}")
    if (most := choice.get("test")) is not None and not (most.isascii() and most.isdigit() and int(most[:9]) > 0):
        raise InputError(f"expected a number of test images such as test=1000 in parquet:{path}, found {most!r}")
    found = _find(expanded(place))
    schema = open_parquet(found["train"][0]).schema_arrow
    described = features_of(schema)
    image = image_column(schema, described, choice.get("image"), place)
    if (flags := (choice.get("label") or "").split(","))[1:]:
        return _fewer(_flags(path, found, image, flags, options), most)
    label = label_column(schema, described, choice.get("label"), image, place)
    columns = {split: read_labels(paths, image, label) for split, paths in found.items()}
    withheld = [split for split, column in columns.items() if split != "train" and set(column.values) <= {None, -1}]
    for split in withheld:
        del columns[split]
    known = names_of(described, label, found["train"][0])
    lists = any(isinstance(value, list) for column in columns.values() for value in column.values)
    if options.targets == "several" or (lists and options.targets == "auto"):
        data = _several(path, found, image, several(columns, known), known, options, f"column {label!r}")
        return _fewer(data, most)
    for column in columns.values():
        if (row := next((n for n, value in enumerate(column.values) if isinstance(value, list)), None)) is not None:
            said = f"expected one label in {column.place(row)}, found {len(column.values[row])}"
            raise DataError(f"{said}; leave targets out for several labels per image")
    names, labels = numbered(columns, known)
    splits = {
        split: Split(split, Rows(found[split], image), labels[split], names) for split in columns
    }  # fmt: skip
    labels_in = f"column {label!r} of {place}"
    data = assemble(f"parquet:{path}", splits["train"], splits.get("val"), splits.get("test"), options, labels_in)
    data = _fewer(data, most)
    if withheld:
        said = f"{' and '.join(withheld)} left out: its labels in column {label!r} are withheld"
        data = replace(data, origin="; ".join(filter(None, (data.origin, said))))
    return data


def _fewer(data: Dataset, most: str | None) -> Dataset:
    """Return data with so many of its test images."""
    if most is None or int(most) >= len(data.test):
        return data
    said = f"test: {int(most):,} of {len(data.test):,} images, drawn evenly over classes with seed 0"
    return replace(data, test=evenly(data.test, int(most)), origin="; ".join(filter(None, (data.origin, said))))


def _flags(
    path: str, found: dict[str, list[Path]], image: str, names: Sequence[str], options: LoadOptions
) -> Dataset:
    """Return data whose labels are columns of 0 and 1."""
    tags: dict[str, list[tuple[str, ...]]] = {}
    for split, paths in found.items():
        columns = [read_labels(paths, image, name) for name in names]
        for column in columns:
            if (row := next((n for n, value in enumerate(column.values) if value not in (0, 1)), None)) is not None:
                raise DataError(f"expected 0 or 1 in {column.place(row)}, found {str(column.values[row])[:60]!r}; correct it")
        rows = zip(*(column.values for column in columns), strict=True)
        tags[split] = [tuple(name for name, one in zip(names, row, strict=True) if one) for row in rows]
    return _several(path, found, image, tags, names, options, f"the {len(names)} columns of 0 and 1")


def _several(
    path: str, found: dict[str, list[Path]], image: str, tags: dict[str, list[tuple[str, ...]]], names: Sequence[str],
    options: LoadOptions, where: str,
) -> Dataset:  # fmt: skip
    """Return data with several labels per image."""
    names = tuple(names) or tuple(sorted_names({label for rows in tags.values() for row in rows for label in row}))
    splits = {
        split: of_several(split, Rows(found[split], image), matrix(rows, names), names) for split, rows in tags.items()
    }
    spec = f"parquet:{path}"
    data = assemble(spec, splits["train"], splits.get("val"), splits.get("test"), options, f"{where} of {path}")
    return replace(data, origin="; ".join(filter(None, (f"several labels per image: {where}", data.origin))))


def _find(root: Path) -> dict[str, list[Path]]:
    """Return split -> its files, sorted; all files are train where no name tells a split."""
    if root.is_file():
        return {"train": [root]}
    if not root.is_dir():
        siblings = [place.name for place in root.parent.iterdir()] if root.parent.is_dir() else []
        hint = nearest(root.name, siblings)
        hint = hint if "did you mean" in hint else "; check the path"
        raise DataError(f"expected a parquet file or a folder of them at {root}, found nothing there{hint}")
    paths = sorted(root.rglob("*.parquet"), key=lambda path: path.relative_to(root).as_posix())
    if not paths:
        raise DataError(f"expected parquet files in {root}, found none; use folder: for folders of images")
    found: dict[str, list[Path]] = {}
    for path in paths:
        split = _split_of(path.stem) or (_split_of(path.parent.name) if path.parent != root else None)
        if split:
            found.setdefault(split, []).append(path)
    if not found:
        return {"train": paths}
    if "train" not in found:
        raise DataError(f"expected a train*.parquet in {root}, found only files for {' and '.join(sorted(found))}")
    return found


def _split_of(stem: str) -> str | None:
    word = stem.lower()
    return next((split for split, names in SPLIT_NAMES.items() if word.startswith(names)), None)
