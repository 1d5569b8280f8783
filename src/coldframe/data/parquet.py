"""``parquet:PATH``: parquet files in the way of the Hub, a file or a folder of them.

Splits are told by file names (``train-00000-of-00002.parquet``, ``test*``, ``valid*``) or, failing that, by the name of
the folder that holds the file. Columns are told by type: images are a struct with ``bytes`` or a binary column, labels a
ClassLabel of the Hub's metadata, else integers, else text. ``parquet:PATH?image=img&label=fine_label`` chooses them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL.Image import Image

from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.decode import decode
from coldframe.data.folder import SPLIT_NAMES
from coldframe.data.splits import assemble
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import expanded, explained

KEPT_BYTES = 2**30
"""Row groups stay in memory up to this many bytes a split; the longest unused goes first."""


class Rows:
    """Pictures in the rows of parquet files, read a row group at a time when one of its rows is asked for."""

    def __init__(self, paths: Sequence[Path], column: str, kept_bytes: int = KEPT_BYTES) -> None:
        self._files = [_open(path) for path in paths]
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
            raise DataError(f"expected the bytes of an image in {self.name(index)}, found none; store images, not paths")
        return bytes(value)

    def _group(self, number: int) -> Any:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            file, group = self._groups[number]
            with explained(self._paths[file], "read"):
                try:
                    values = self._files[file].read_row_group(group, columns=[self._column], use_threads=False).column(0)
                except pa.ArrowInvalid as error:
                    raise DataError(f"cannot read {self._paths[file]}: the file is damaged; fetch it again") from error
            if pa.types.is_struct(values.type):
                values = pc.struct_field(values, "bytes")
            self._kept[number] = values
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)
            return values

    def open(self, index: int) -> Image:
        return decode(self.bytes(index), self.name(index))

    def check(self, index: int) -> None:
        """Raise :class:`DataError` when the row does not decode."""
        decode(self.bytes(index), self.name(index), draft=True)

    def digest(self, index: int) -> str:
        return hashlib.sha256(self.bytes(index)).hexdigest()[:32]

    def name(self, index: int) -> str:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        file = self._groups[number][0]
        first = next(int(self._starts[n]) for n, (f, _) in enumerate(self._groups) if f == file)
        return f"{self._paths[file]} row {index - first}"


def load(path: str, options: LoadOptions) -> Dataset:
    """Load a data set from parquet. See the module's text for layouts and columns.

    Raises:
        DataError: files are missing or damaged, or the columns cannot be told apart.
        InputError: an unknown choice behind the ``?``.
    """
    place, _, query = path.partition("?")
    choice = dict(parse_qsl(query, keep_blank_values=True))
    for key in choice:
        if key not in ("image", "label"):
            raise InputError(f"unknown choice {key!r} in parquet:{path}{nearest(key, ['image', 'label'])}")
    files = _find(expanded(place))
    schema = _open(files["train"][0]).schema_arrow
    features = _features(schema)
    image = _image_column(schema, features, choice.get("image"), place)
    label = _label_column(schema, features, choice.get("label"), image, place)
    values = {split: _read_labels(paths, label) for split, paths in files.items()}
    names: list[str] = list(features.get(label, {}).get("names") or [])
    labels: dict[str, Any] = values
    if not names:
        known = sorted({value for column in values.values() for value in column})
        index = {value: number for number, value in enumerate(known)}
        names = [str(value) for value in known]
        labels = {split: [index[value] for value in column] for split, column in values.items()}
    splits = {
        split: Split(split, Rows(paths, image), np.asarray(labels[split], dtype=np.int64), tuple(names))
        for split, paths in files.items()
    }
    return assemble(f"parquet:{path}", splits["train"], splits.get("val"), splits.get("test"), options)


def _open(path: Path) -> Any:
    with explained(path, "read"):
        try:
            return pq.ParquetFile(path, memory_map=True)
        except pa.ArrowInvalid as error:
            raise DataError(f"cannot read {path}: expected a parquet file, found damage or another format") from error


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


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """Return column -> its description in the Hub's metadata; empty where there is none or it cannot be read."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: value for name, value in described.items() if isinstance(value, dict)}


def _image_column(schema: Any, features: dict[str, dict[str, Any]], chosen: str | None, place: str) -> str:
    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fits = [field.name for field in schema if holds_bytes(field.type)]
    told = [name for name in fits if features.get(name, {}).get("_type") == "Image"]
    return _one(told or fits, fits, chosen, "image", schema, place)


def _label_column(schema: Any, features: dict[str, dict[str, Any]], chosen: str | None, image: str, place: str) -> str:
    def fit(field: Any) -> bool:
        kind = field.type
        return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))

    fits = [field.name for field in schema if fit(field) and field.name != image]
    told = [name for name in fits if features.get(name, {}).get("_type") == "ClassLabel"]
    named = [name for name in fits if name == "label"]
    return _one(told or named or fits, fits, chosen, "label", schema, place)


def _one(found: list[str], fits: list[str], chosen: str | None, what: str, schema: Any, place: str) -> str:
    if chosen is not None:
        if chosen not in fits:
            raise DataError(f"expected {what}s in column {chosen!r} of {place}, found none{nearest(chosen, fits)}")
        return chosen
    if len(found) == 1:
        return found[0]
    if not found:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise DataError(f"expected a column of {what}s in {place}, found none among {columns}")
    example = f"parquet:{place}?{what}={found[0]}"
    raise DataError(f"expected one column of {what}s in {place}, found {' and '.join(found)}; choose, as in {example}")


def _read_labels(paths: Sequence[Path], column: str) -> list[Any]:
    values: list[Any] = []
    for path in paths:
        file = _open(path)
        if column not in file.schema_arrow.names:
            raise DataError(f"expected a column {column!r} in {path}, found {', '.join(file.schema_arrow.names)}")
        values += file.read(columns=[column], use_threads=False).column(0).to_pylist()
    for row, value in enumerate(values):
        if value is None or value == -1:
            raise DataError(f"expected a label in every row of {paths[0].parent}, found none in row {row}; remove that file")
    return values
