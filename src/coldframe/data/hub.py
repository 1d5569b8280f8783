"""``hf:NAME`` and ``hf:FOLDER``: data sets of the Hugging Face Hub through the extra ``hub``.

A folder is one that ``save_to_disk`` wrote, and needs no network. A name is looked for in the Hub's cache, and fetched only
with ``--download``. Images come as stored bytes, not decoded by the Hub's library; a loading script is never run.
``hf:NAME?config=plain&image=img&label=fine_label`` chooses.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from coldframe.data.base import Dataset, LoadOptions, Unreadable
from coldframe.data.choices import choices_of
from coldframe.data.decode import MOST_BYTES
from coldframe.data.joined import Joined
from coldframe.data.rows import Listing, dataset_of
from coldframe.data.stored import Stored
from coldframe.errors import DataError, MissingPackage, nearest
from coldframe.files import expanded, read_bytes


class Column(Stored):
    """Pictures in a column of an Arrow table of the Hub's library, as stored bytes."""

    def __init__(self, table: Any, column: str, title: str) -> None:
        self._values, self._title, self._lock = table, title, threading.Lock()
        self._column = column

    def __len__(self) -> int:
        return len(self._values)

    def bytes(self, index: int) -> bytes:
        """Return the stored bytes of picture ``index``."""
        with self._lock:
            value = self._values[index][self._column]
        if value and value.get("bytes"):
            return bytes(value["bytes"])
        if value and value.get("path"):
            return read_bytes(Path(value["path"]), MOST_BYTES)
        raise Unreadable(f"expected an image in {self.name(index)}, found none; remove the row", "without bytes")

    def name(self, index: int) -> str:
        return f"{self._title} row {index}"


def load(rest: str, options: LoadOptions) -> Dataset:
    """Load ``hf:``; see the module.

    Raises:
        MissingPackage: the extra ``hub`` is not installed.
        DataError: the data set is not here, or its columns cannot be told apart.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingPackage("hf: needs the package datasets; install it with: pip install 'coldframe[hub]'") from error
    name, choice = choices_of("hf", rest, ["config", "image", "label", "split", "group"])
    found = _read(datasets, name, choice.get("config"), options.download)
    spec = f"hf:{rest}"
    features = next(iter(found.values())).features
    image = _column(features, choice.get("image"), "image", spec, lambda kind: isinstance(kind, datasets.Image))
    labels = {datasets.ClassLabel, datasets.Value}
    listed = (datasets.Sequence, datasets.List)
    inner = {key: kind.feature if isinstance(kind, listed) else kind for key, kind in features.items()}
    told = [key for key, kind in inner.items() if isinstance(kind, datasets.ClassLabel)]
    wanted = choice.get("label") or (told[0] if len(told) == 1 else None) or ("label" if "label" in features else None)
    label = _column(
        inner, wanted, "label", spec,
        lambda kind: type(kind) in labels and (not hasattr(kind, "dtype") or kind.dtype in _WHOLE_OR_TEXT),
    )  # fmt: skip
    group = choice.get("group")
    if group is not None and group not in features:
        raise DataError(f"expected groups in column {group!r} of {spec}, found none{nearest(group, features)}")
    names = list(inner[label].names) if isinstance(inner[label], datasets.ClassLabel) else None
    lists = inner[label] is not features[label]
    tags: list[tuple[str, ...]] = []
    parts, answers, splits, groups = [], [], [], []
    for split, table in found.items():
        part = Column(table.select_columns([image]).cast_column(image, datasets.Image(decode=False)), image, f"{spec}, {split}")
        parts.append(part)
        for value in table[label]:
            if lists:
                tags.append(tuple(str(one) if names is None else names[one] for one in value or []))
                value = value[0] if value else None
            withheld = value is None or (value == -1 and names is not None)
            answers.append("" if withheld else names[value] if names is not None else str(value))
        splits += [split] * len(table)
        groups += [str(value) for value in table[group]] if group else []
    joined = Joined(parts)
    row = next((n for n, one in enumerate(tags) if len(one) != 1), None)
    if row is not None and options.targets in ("classes", "ranks"):
        said = f"expected one label in {joined.name(row)}, found {len(tags[row])}"
        raise DataError(f"{said}; leave targets out for several labels per image")
    listing = Listing(
        spec, joined, answers, None if len(found) == 1 else splits, groups or None, names, joined.name,
        [f"the only split, {next(iter(found))}, is divided"] if len(found) == 1 else [],
        f"column {label!r} of {spec}",
        tags if lists and (options.targets == "several" or row is not None) else None,
    )  # fmt: skip
    return dataset_of(listing, options)


_WHOLE_OR_TEXT = {"string", "large_string", "bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


def _column(features: Any, chosen: str | None, what: str, spec: str, fits: Any) -> str:
    found = [key for key, kind in features.items() if fits(kind)]
    if chosen is not None and chosen not in found:
        raise DataError(f"expected {what}s in column {chosen!r} of {spec}, found none{nearest(chosen, found)}")
    if chosen is None and len(found) != 1:
        shown = " and ".join(found) or f"none among {', '.join(features)}"
        raise DataError(f"expected one column of {what}s in {spec}, found {shown}; choose, as in ?{what}=NAME")
    return chosen or found[0]


def _read(datasets: Any, name: str, config: str | None, download: bool) -> dict[str, Any]:
    """Return split -> table: from a folder of ``save_to_disk``, from the Hub's cache, or from the Hub."""
    path = expanded(name)
    try:
        if path.is_dir():
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(name, config, download_config=datasets.DownloadConfig(local_files_only=not download))
    except Exception as error:  # the library raises its own, huggingface_hub's, OSError, ValueError ...
        reason = " ".join(str(error).split())[:200]
        remedy = "check the name" if download or path.is_dir() else "check the name, or fetch it with --download"
        raise DataError(f"cannot load hf:{name}: {reason}; {remedy}") from error
    return dict(found) if isinstance(found, dict) else {"train": found}
