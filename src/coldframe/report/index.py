"""One page in front of several reports: the table and the verdict of each data set, and the way to its own page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.report.page import rendered
from coldframe.report.table import Table
from coldframe.results import wording
from coldframe.results.columns import cells, columns, headline, title
from coldframe.results.verdict import verdict


def save_index(tables: Mapping[str, Table], folder: str | Path, *, heading: str = "Which way to adapt the model?") -> Path:
    """Write ``report.html`` and the joined ``results.json`` in ``folder``; return the page's path.

    Args:
        tables: by the name of the folder inside ``folder`` that holds their own report.
        folder: where to.
        heading: of the page.
    """
    parts = []
    for name, table in tables.items():
        parts.append(
            {
                "name": table.about.data or name,
                "link": f"{name}/report.html",
                "headline": headline(table.about),
                "verdict": verdict(table),
                "head": ["method", *(title(column, table.about) for column in columns(table))],
                "lines": cells(table)[1:],
                "handed": wording.handed_over(table.handed, name),
            }
        )
    files.write_json(Path(folder) / "results.json", joined(tables))
    return files.write_text(Path(folder) / "report.html", rendered("index.html", {"title": heading, "parts": parts}))


def joined(tables: Mapping[str, Table]) -> dict[str, Any]:
    """Return the value of one ``results.json`` with the rows of all tables; that of a single table as it is."""
    each = [table.to_json() for table in tables.values()]
    if len(each) == 1:
        return each[0]
    first = {key: each[0][key] for key in ("coldframe", "command", "machine")}
    return first | {"rows": [row for one in each for row in one["rows"]]}
