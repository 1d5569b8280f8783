"""Results written as files: comma-separated values, Markdown, JSON or the page, by the name's ending."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldframe import files
from coldframe.errors import InputError, MissingPackage
from coldframe.results.columns import cells, headline
from coldframe.results.fields import OPTIONAL, REQUIRED
from coldframe.results.results import Results
from coldframe.results.rows import Group, plain
from coldframe.results.text_table import markdown
from coldframe.results.verdict import recommended, verdict
from coldframe.results.wording import handed_over
from coldframe.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame

WIDTH = 100
"""Characters in a line of a printed table."""
_LATEX = {letter: "\\" + letter for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$",
    "·": r"$\cdot$",
}  # fmt: skip


class Table(Results):
    """Results that write themselves; what ``compare`` and every evaluation return."""

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``results.json``; lines with several seeds add a row with ``mean`` and ``ci95``."""
        over_seeds = [group.summary() for group in self.groups() if len(group.rows) > 1]
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": plain(self.machine),
            "rows": [*self.rows, *over_seeds],
            "verdict": verdict(self),
            "about": plain(asdict(self.about)),
            "comparisons": plain([asdict(c) for c in self.comparisons]),
            "published": plain(self.published),
            "notes": list(self.notes),
            "details": [detail.to_json() for detail in self.details],
            **({"handed": plain(self.handed)} if self.handed else {}),
        }

    @property
    def best(self) -> Group | None:
        """The recommended line, whose ``method``, ``model`` and means are its own; None for an empty table."""
        return recommended(self)

    def __repr__(self) -> str:
        lines = self.groups()
        said = f"best {self.best.label!r}" if self.best is not None else "empty"
        return f"<{type(self).__name__} of {len(lines)} lines, {len(self.rows)} rows: {said}>"

    def __str__(self) -> str:
        """Return what ``print`` shows: the table, the verdict, and where the model lies."""
        from coldframe.report.terminal import print_table

        text = io.StringIO()
        print_table(self, text, width=WIDTH)
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        """Return the table and the verdict for a notebook; every text is escaped."""
        head, *body = cells(self)
        lines = "".join(_row("td", line) for line in body)
        said = f"<p>{html.escape(verdict(self))}</p>" if self.rows else ""
        return f"<table><thead>{_row('th', head)}</thead><tbody>{lines}</tbody></table>{said}"

    def to_pandas(self) -> DataFrame:
        """Return the rows, one a method and seed, as a data frame of pandas. Raises :class:`MissingPackage` without it."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingPackage("to_pandas needs the package pandas; pip install pandas") from error
        return DataFrame(self.rows)

    def to_latex(self) -> str:
        """Return the printed table as a LaTeX ``tabular``, for ``booktabs``."""
        head, *body = (" & ".join(_latex(value) for value in line) + r" \\" for line in cells(self))
        columns = "l" + "r" * (len(cells(self)[0]) - 1)
        begin = rf"\begin{{tabular}}{{{columns}}}"
        return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])

    def to_csv(self) -> str:
        """Return the rows as comma-separated values with a header, one a seed; empty where not measured."""
        extra = [name for name in OPTIONAL if any(row.get(name) is not None for row in self.rows)]
        shown = [*REQUIRED, *extra]
        return files.as_csv([shown, *([row.get(name) for name in shown] for row in self.rows)])

    def to_markdown(self) -> str:
        """Return the printed table as Markdown, with the verdict under it."""
        lines = [headline(self.about), ""] if headline(self.about) else []
        lines += markdown(cells(self))
        said = [verdict(self)] if self.rows else []
        said += [f"\n{line}" for line in handed_over(self.handed)]
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


def _row(cell: str, values: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{html.escape(value)}</{cell}>" for value in values) + "</tr>"


def _latex(value: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in value)
