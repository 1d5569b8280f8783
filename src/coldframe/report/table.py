"""Results written as files: comma-separated values, Markdown, JSON or the page, by the name's ending."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.errors import InputError
from coldframe.results.columns import cells, headline
from coldframe.results.fields import OPTIONAL, REQUIRED
from coldframe.results.results import Results
from coldframe.results.rows import plain
from coldframe.results.verdict import verdict
from coldframe.results.wording import handed_over
from coldframe.version import __version__


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

    def to_csv(self) -> str:
        """Return the rows as comma-separated values with a header, one a seed; empty where not measured."""
        extra = [name for name in OPTIONAL if any(row.get(name) is not None for row in self.rows)]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*REQUIRED, *extra], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the printed table as Markdown, with the verdict under it."""
        head, *body = cells(self)
        lines = [headline(self.about), ""] if headline(self.about) else []
        lines += [_line(head), "|" + " --- |" * len(head), *(_line(row) for row in body)]
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


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|").replace("\n", " ") for value in values) + " |"
