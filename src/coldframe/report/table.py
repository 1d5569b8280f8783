"""The result of a comparison: its rows, what they were made from, and what the figures show."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coldframe import files
from coldframe.errors import FileError, InputError
from coldframe.measures.accuracy import as_array, confusion, correct, per_class
from coldframe.measures.calibration import reliability
from coldframe.measures.significance import paired_bootstrap
from coldframe.report.summary import FIELDS, OPTIONAL, Group, Key, complete, groups, plain
from coldframe.types import Row


@dataclass
class About:
    """What stands above the table and below it: the circumstances of all rows. Everything may be left out.

    Args:
        model: the model as a person says it, such as ``"ViT-B-32 (openai)"``.
        parameters: its parameters.
        data: name of the data.
        train: number of training images; ``val`` and ``test`` alike.
        classes: K class names.
        device: such as ``"cpu, 2 threads"``.
        precision: such as ``"fp32"``.
        noise: the strength of ``noise_top1``, such as ``"0.1"``.
        splits: how the splits came about, in words.
        choices: on which split choices were made, as a sentence: ``"Chosen on val; test was read once."``
        cold: the cold pass, in words.
        settings: method -> its settings as code.
        digests: what -> digest of weights, data and the like.
    """

    model: str = ""
    parameters: int | None = None
    data: str = ""
    train: int | None = None
    val: int | None = None
    test: int | None = None
    classes: Sequence[str] = ()
    device: str = ""
    precision: str = ""
    noise: str = ""
    splits: str = ""
    choices: str = ""
    cold: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass
class Curve:
    """One line of a robustness or training figure.

    Args:
        figure: title of the figure it belongs to, such as ``"Gaussian noise"``; lines of one title are drawn together.
        x: positions.
        y: values; accuracies as fractions.
        x_label: what x is, with its unit.
        y_label: what y is; ``"top-1"`` is drawn in percent.
        kind: ``"robustness"`` or ``"training"``: which part of the page.
        name: added to the method's name where it has several lines.
    """

    figure: str
    x: list[float]
    y: list[float | None]
    x_label: str = ""
    y_label: str = "top-1"
    kind: str = "robustness"
    name: str = ""


@dataclass
class Detail:
    """What one method's figures show. Build it with :meth:`of`, or leave parts out.

    Args:
        method: as in the rows; ``model`` and ``data`` too.
        per_class: top-1 of each class, mean over seeds [K]; None for a class without test images.
        confusion: counts summed over seeds [K, K], row true, column predicted.
        reliability: ``count``, ``confidence``, ``accuracy``, all seeds pooled.
        curves: robustness and training lines.
        correct: whether each test item is right [S, N]; kept out of the files.
    """

    method: str
    model: str = ""
    data: str = ""
    per_class: list[float | None] | None = None
    confusion: list[list[int]] | None = None
    reliability: dict[str, list[Any]] | None = None
    curves: list[Curve] = field(default_factory=list)
    correct: NDArray[np.bool_] | None = None

    @property
    def key(self) -> Key:
        """(method, model, data)."""
        return self.method, self.model, self.data

    @classmethod
    def of(
        cls,
        method: str,
        probabilities: Sequence[Any],
        labels: Any,
        *,
        model: str = "",
        data: str = "",
        curves: Sequence[Curve] = (),
    ) -> Self:
        """Return the details of a method from its probabilities, one [N, K] a seed, on the same items with labels [N]."""
        if not probabilities:
            raise InputError(f"expected probabilities of {method} for at least one seed, found none")
        stacked = [np.asarray(per_class(p, labels), dtype=np.float64) for p in probabilities]
        truth = as_array(labels)
        pooled = reliability(np.concatenate([as_array(p) for p in probabilities]), np.tile(truth, len(probabilities)))
        return cls(
            method,
            model,
            data,
            per_class=plain(np.mean(stacked, axis=0)),
            confusion=plain(np.sum([confusion(p, labels) for p in probabilities], axis=0)),
            reliability=asdict(pooled),
            curves=list(curves),
            correct=np.stack([correct(p, labels) for p in probabilities]),
        )


@dataclass(frozen=True)
class Comparison:
    """A paired difference in top-1, ``a`` minus ``b``, with its 95% interval over test items."""

    a: Key
    b: Key
    difference: float
    low: float
    high: float
    n: int
    p: float | None = None


@dataclass
class Table:
    """The result of ``compare`` and of every evaluation.

    Args:
        rows: one a (method, model, data, seed), as in ``results.json``.
        command: what makes it again.
        machine: :func:`coldframe.measures.machine`.
        about: the circumstances.
        details: what the figures show, one a line of the table.
        comparisons: paired differences; :meth:`pair` fills them from the details.
        published: rows of published figures, printed beside.
        notes: sentences a reader must know: skipped files, approximations.

    Example:
        >>> table = Table()
        >>> table.add({"method": "knn", "model": "lite0", "data": "folder:a", "seed": 0, "split": "test", "n": 10, "top1": 0.9})
        >>> table.groups()[0].label
        'nearest neighbours'
    """

    rows: list[Row] = field(default_factory=list)
    command: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    about: About = field(default_factory=About)
    details: list[Detail] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    published: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = [complete(row) for row in self.rows]

    def add(self, row: Row) -> None:
        """Add a row; absent fields become None, NaN too."""
        self.rows.append(complete(row))

    def groups(self) -> list[Group]:
        """Return the lines of the printed table: rows gathered over seeds."""
        return groups(self.rows)

    def labels(self) -> dict[Key, str]:
        """Return what a person calls each line."""
        return {group.key: group.label for group in self.groups()}

    def pair(self, *, resamples: int = 10_000, seed: int = 0) -> None:
        """Compare every two lines on the same data from the ``correct`` of their details."""
        known = [detail for detail in self.details if detail.correct is not None]
        self.comparisons = []
        for a, b in itertools.combinations(known, 2):
            if a.data == b.data:
                found = paired_bootstrap(a.correct, b.correct, resamples=resamples, generator=seed)
                self.comparisons.append(Comparison(a.key, b.key, found.difference, found.low, found.high, found.n, found.p))

    def compared(self, a: Key, b: Key) -> Comparison | None:
        """Return the comparison of two lines as ``a`` minus ``b``, whichever way round it was made."""
        for c in self.comparisons:
            if (c.a, c.b) == (a, b):
                return c
            if (c.a, c.b) == (b, a):
                return Comparison(a, b, -c.difference, -c.high, -c.low, c.n, c.p)
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``results.json``; lines with several seeds add a row with ``mean`` and ``ci95``."""
        from coldframe.report.verdict import verdict

        over_seeds = [group.summary() for group in self.groups() if len(group.rows) > 1]
        return {
            "coldframe": version("coldframe"),
            "command": self.command,
            "machine": plain(self.machine),
            "rows": [*self.rows, *over_seeds],
            "verdict": verdict(self),
            "about": plain(asdict(self.about)),
            "comparisons": plain([asdict(c) for c in self.comparisons]),
            "published": plain(self.published),
            "notes": list(self.notes),
            "details": [_detail_json(detail) for detail in self.details],
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the table of a ``results.json``; rows over seeds are computed again."""
        if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
            raise FileError("expected a results.json with a list of rows, found something else; give one that coldframe wrote")
        known = {f.name for f in fields(About)}
        return cls(
            rows=[row for row in value["rows"] if "ci95" not in row],
            command=value.get("command") or "",
            machine=value.get("machine") or {},
            about=About(**{k: v for k, v in (value.get("about") or {}).items() if k in known}),
            details=[_detail(d) for d in value.get("details") or []],
            comparisons=[Comparison(**(c | {"a": tuple(c["a"]), "b": tuple(c["b"])})) for c in value.get("comparisons") or []],
            published=value.get("published") or [],
            notes=value.get("notes") or [],
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the table of a ``results.json``, or of a folder that holds one."""
        path = Path(path)
        return cls.from_json(files.read_json(path / "results.json" if path.is_dir() else path))

    def to_csv(self) -> str:
        """Return the rows as comma-separated values with a header, one a seed; empty where not measured."""
        extra = [name for name in OPTIONAL if any(row.get(name) is not None for row in self.rows)]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*FIELDS, *extra], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the printed table as Markdown, with the verdict under it."""
        from coldframe.report.columns import cells, headline
        from coldframe.report.verdict import verdict

        head, *body = cells(self)
        lines = [headline(self.about), ""] if headline(self.about) else []
        lines += [_line(head), "|" + " --- |" * len(head), *(_line(row) for row in body)]
        said = [verdict(self)] if self.rows else []
        return "\n".join([*lines, "", *said, *(f"\nNote: {note}" for note in self.notes)]) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write the table; the suffix decides: ``.json``, ``.csv``, ``.md`` or ``.html``."""
        path = Path(path)
        if path.suffix == ".json":
            return files.write_json(path, self.to_json())
        if path.suffix == ".csv":
            return files.write_text(path, self.to_csv())
        if path.suffix == ".md":
            return files.write_text(path, self.to_markdown())
        if path.suffix in (".html", ".htm"):
            from coldframe.report.page import page

            return files.write_text(path, page(self))
        raise InputError(f"expected a file name ending in .json, .csv, .md or .html, found {path.name!r}")


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|").replace("\n", " ") for value in values) + " |"


def _detail_json(detail: Detail) -> dict[str, Any]:
    kept = {f.name: getattr(detail, f.name) for f in fields(detail) if f.name not in ("correct", "curves")}
    return dict(plain({k: v for k, v in kept.items() if v is not None} | {"curves": [asdict(c) for c in detail.curves]}))


def _detail(value: dict[str, Any]) -> Detail:
    return Detail(**(value | {"curves": [Curve(**c) for c in value.get("curves", [])]}))
