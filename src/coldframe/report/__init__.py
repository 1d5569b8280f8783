"""Tables, verdicts, figures and the page. ``from coldframe.report import Table``; figures are in ``report.figures``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coldframe.report.table import Table
from coldframe.results.parts import About, Comparison, Curve, Detail
from coldframe.results.verdict import recommended

if TYPE_CHECKING:
    from coldframe.report.saved import save_report
    from coldframe.report.terminal import LiveTable, live_table, print_table

__all__ = [
    "About",
    "Comparison",
    "Curve",
    "Detail",
    "LiveTable",
    "Table",
    "live_table",
    "print_table",
    "recommended",
    "save_report",
]


def __getattr__(name: str) -> Any:
    # matplotlib, jinja2 and rich are imported by the first use of what needs them.
    from importlib import import_module

    if name in ("live_table", "print_table", "LiveTable"):
        return getattr(import_module("coldframe.report.terminal"), name)
    if name == "save_report":
        return import_module("coldframe.report.saved").save_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
