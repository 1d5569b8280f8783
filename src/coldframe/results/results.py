"""The result of a comparison: its rows, what they were made from, and what the figures show."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from coldframe.files.reading import read, typed
from coldframe.measures.pairing import paired
from coldframe.results.parts import About, Comparison, Detail, HardImage, Picture, Shown
from coldframe.results.rows import Group, Key, check_row, complete, groups
from coldframe.types import Row


@dataclass
class ResultsFile:
    """``results.json`` of ``compare``, ``fit``, ``evaluate`` and ``sweep``; its rows are checked one by one."""

    rows: list[dict[str, Any]]
    coldframe: str = ""
    command: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    verdict: str | None = None
    about: About | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: list[Shown] = field(default_factory=list)
    handed: dict[str, Any] = field(default_factory=dict)


@dataclass
class Results:
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
        hardest: test images that are wrong with the most confidence; on the page only.
        prompts: pictures of learned prompts; on the page only.
        handed: what was handed over and how to go on: folder, method, fit, refit, top1, measured_top1, next; empty without.
        wrong: test images that the recommended line gets wrong, the surest first; on the page only.

    Example:
        >>> table = Results()
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
    hardest: list[HardImage] = field(default_factory=list)
    prompts: list[Picture] = field(default_factory=list)
    handed: dict[str, Any] = field(default_factory=dict)
    wrong: list[HardImage] = field(default_factory=list)

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

    def pair(self) -> None:
        """Compare every two lines on the same data from the ``correct`` of their details."""
        known = [detail for detail in self.details if detail.correct is not None]
        self.comparisons = []
        for a, b in itertools.combinations(known, 2):
            if a.data == b.data:
                found = paired(a.correct, b.correct)
                variances = (found.image_variance, found.seed_variance)
                self.comparisons.append(
                    Comparison(a.key, b.key, found.value, found.low, found.high, found.n, found.p, found.seeds, *variances)
                )

    def compared(self, a: Key, b: Key) -> Comparison | None:
        """Return the comparison of two lines as ``a`` minus ``b``, whichever way round it was made."""
        for c in self.comparisons:
            if (c.a, c.b) == (a, b):
                return c
            if (c.a, c.b) == (b, a):
                return replace(c, a=a, b=b, difference=-c.difference, low=-c.high, high=-c.low)
        return None

    @classmethod
    def from_json(cls, value: Any, where: str = "results.json") -> Self:
        """Return the table of a ``results.json``; rows over seeds are computed again."""
        remedy = "give one that coldframe wrote"
        found = typed(value, ResultsFile, where, remedy=remedy)
        for number, row in enumerate(found.rows):
            check_row(row, f"{where}, row {number}", remedy)
        return cls(
            rows=[row for row in found.rows if "ci95" not in row],
            command=found.command,
            machine=found.machine,
            about=found.about or About(),
            details=[Detail(**vars(shown)) for shown in found.details],
            comparisons=found.comparisons,
            published=found.published,
            notes=found.notes,
            handed=found.handed,
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the table of a ``results.json``, or of a folder that holds one."""
        path = Path(path)
        path = path / "results.json" if path.is_dir() else path
        return cls.from_json(read(path, dict[str, Any], remedy="give one that coldframe wrote", strict=False), str(path))
