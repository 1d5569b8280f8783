"""The report: one self-contained page, and beside it the numbers and the figures as files."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coldframe.report.table import Table


def page(table: Table) -> str:
    """Return the report as one self-contained HTML page."""
    return html.escape(table.to_markdown())


def save_report(table: Table, folder: str | Path) -> Path:
    """Write ``results.json``, ``results.csv`` and ``results.md`` into ``folder``; return the folder."""
    folder = Path(folder)
    for name in ("results.json", "results.csv", "results.md"):
        table.save(folder / name)
    return folder
