"""Rows of the same method, model, data and split, seen together: means and intervals over seeds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from coldframe.errors import FileError, InputError
from coldframe.files import formats
from coldframe.files.reading import read, typed
from coldframe.measures.significance import Interval, interval, wilson
from coldframe.results.fields import CORRELATIONS, FIELDS, FRACTIONS, IDENTITY, MEASURED, REQUIRED
from coldframe.results.wording import spoken, subject
from coldframe.types import Row

Key = tuple[str, str, str]
"""(method, model, data): what one line of the table stands for."""

_KINDS: dict[str, Any] = {"fraction": formats.Fraction, "amount": formats.Spent, "correlation": formats.Correlation}
RowFile = msgspec.defstruct(
    "RowFile",
    [(f.name, _KINDS[f.kind] | None, None) for f in FIELDS],
    bases=(formats.Row,),
    module=__name__,
)
"""A row as it stands in a file: what it is about, and every field."""


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: NumPy numbers and arrays become plain, what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def complete(row: Row) -> Row:
    """Return the row with every field of the schema, in order, None where absent; other keys follow.

    Raises:
        InputError: there is no method, or an accuracy is not a fraction.
    """
    if not row.get("method"):
        raise InputError(f"expected a row with a method, found the keys {sorted(row)}")
    full = {field: plain(row.get(field)) for field in REQUIRED} | {k: plain(v) for k, v in row.items() if k not in REQUIRED}
    for field in FRACTIONS:
        value = full.get(field)
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"expected {field} of {row['method']} as a fraction in [0, 1], found {value}; divide by 100")
    return full


@dataclass(frozen=True)
class Group:
    """One line of the printed table.

    Args:
        method: name of the method.
        model: id of the model.
        data: spec of the data.
        split: the split that was read.
        rows: one a seed.
        label: what a person calls the line; tells models and data apart where there are several.
    """

    method: str
    model: str
    data: str
    split: str
    rows: tuple[Row, ...]
    label: str = ""

    @property
    def key(self) -> Key:
        """(method, model, data)."""
        return self.method, self.model, self.data

    @property
    def subject(self) -> str:
        """What a sentence calls the line: its label with the method as a person speaks of it."""
        return subject(self.method) + self.label.removeprefix(spoken(self.method))

    @property
    def main(self) -> str:
        """The measure that decides: mAP where images have several labels, else top-1."""
        return "map" if self.rows[0].get("map") is not None else "top1"

    def over_seeds(self, field: str) -> Interval | None:
        """Return mean and 95% interval of a field over the seeds that measured it; None where none did."""
        values = [float(row[field]) for row in self.rows if row.get(field) is not None]
        most = 1.0 if field in FRACTIONS or field in CORRELATIONS else math.inf
        return interval(values, least=-1.0 if field in CORRELATIONS else 0.0, most=most) if values else None

    def mean(self, field: str) -> float | None:
        """Return the mean of a field over seeds."""
        found = self.over_seeds(field)
        return None if found is None else found.mean

    def half(self, field: str) -> float | None:
        """Return half the width of the 95% interval over seeds; None for one seed."""
        found = self.over_seeds(field)
        return None if found is None else found.half

    def half_width(self) -> float:
        """Return half the interval of top-1 over images or over seeds, the wider one: equal seeds do not look certain."""
        over_images = self.over_images()
        return max(self.half("top1") or 0.0, 0.0 if over_images is None else over_images.half or 0.0)

    def over_images(self, field: str = "top1") -> Interval | None:
        """Return Wilson's 95% interval of a mean share of right answers over the N test images; None where N is not known."""
        mean, n = self.mean(field), self.rows[0].get("images_in_all") or self.rows[0].get("n")
        return None if mean is None or not n else wilson(mean * n, int(n))

    def ends(self, field: str) -> tuple[float, float] | None:
        """Return the ends of a field's 95% interval over images, as rows have them under ``intervals``: means over seeds."""
        known = [pair for row in self.rows if (pair := (row.get("intervals") or {}).get(field)) is not None]
        return (sum(low for low, _ in known) / len(known), sum(high for _, high in known) / len(known)) if known else None

    def summary(self) -> Row:
        """Return the row over seeds: means in the ordinary fields, beside them ``mean`` and ``ci95`` ([low, high])."""
        found = {field: self.over_seeds(field) for field in MEASURED}
        mean = {field: value.mean for field, value in found.items() if value is not None}
        first = self.rows[0]
        row: Row = {field: first.get(field) for field in IDENTITY} | {"seed": None}
        row |= {field: mean.get(field) for field in MEASURED if field in REQUIRED or field in mean}
        row["seeds"] = [r.get("seed") for r in self.rows]
        row["mean"] = mean
        row["ci95"] = {f: [v.low, v.high] for f, v in found.items() if v is not None and v.low is not None}
        return row


def short(name: str) -> str:
    """Return a model id or data spec without its kind: ``flowers`` for ``folder:some/flowers``."""
    kind, colon, rest = name.partition(":")
    tail = rest if colon else kind
    return tail.rstrip("/").rsplit("/", 1)[-1] if kind in ("folder", "parquet", "") or "/" in kind else tail


def without_weights(name: str) -> str:
    """Return a model id without zoo, weights and options: ``resnet18`` for ``timm:resnet18@runs/a.pt?resize=256``."""
    return short(re.split("[@?]", name, maxsplit=1)[0])


def short_models(names: Sequence[str]) -> dict[str, str]:
    """Return model ids without zoo, and without weights and their options where others do not differ in these alone.

    Example:
        >>> short_models(["timm:resnet18@runs/a.pt?resize=256", "lite0"])
        {'timm:resnet18@runs/a.pt?resize=256': 'resnet18', 'lite0': 'lite0'}
    """
    found = {name: without_weights(name) for name in dict.fromkeys(names)}
    counts = Counter(found.values())
    return {name: plain if counts[plain] == 1 else short(name) for name, plain in found.items()}


def groups(rows: Sequence[Row]) -> list[Group]:
    """Return the rows gathered by method, model, data and split, in order of first appearance, each with its label."""
    gathered: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        key = (row["method"], row.get("model") or "", row.get("data") or "", row.get("split") or "")
        gathered.setdefault(key, []).append(row)
    several = [len({key[part] for key in gathered}) > 1 for part in range(4)]
    models, found = short_models([key[1] for key in gathered]), []
    for key, members in gathered.items():
        parts = [spoken(key[0])]
        parts += [models[key[1]] if part == 1 else short(key[part]) for part in (1, 2, 3) if several[part]]
        found.append(Group(*key, rows=tuple(members), label=" · ".join(part for part in parts if part)))
    return found


def check_row(row: Row, where: str, remedy: str) -> None:
    """Refuse a row, read from a file, that has not the types of its fields.

    Raises:
        FileError: it has not.
    """
    typed(row, RowFile, where, remedy=remedy, strict=False)


def fit_of(path: Path) -> formats.Fit:
    """Return what a fit measured; its row is checked like those of ``results.json``."""
    remedy = f"remove {path.parent} or fit it again"
    found = read(path, formats.Fit, remedy=remedy)
    check_row(found.row, f"{path}, row", remedy)
    if not all({"epoch", "loss"} <= line.keys() for line in found.history if "epoch" in line):
        raise FileError(f"cannot use {path}: expected a loss in every epoch of history, found none; {remedy}")
    return found
