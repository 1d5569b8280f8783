"""One self-contained page and its figures as files: a title, a table, sentences, pictures, and the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from coldframe import files
from coldframe.results.text_table import aligned


def page(
    title: str, table: Sequence[Sequence[str]], notes: Sequence[str], figures: Mapping[str, tuple[str, Any]], command: str
) -> str:
    """Return the page; pictures stand in it as PNG, and nothing is loaded from elsewhere.

    Args:
        title: its heading.
        table: a head and its lines.
        notes: paragraphs.
        figures: file stem -> (caption, matplotlib figure).
        command: what makes the page again.
    """
    from coldframe.report.figures.style import as_png, data_uri
    from coldframe.report.page import rendered

    pictures = [(caption, data_uri(as_png(figure, dpi=110))) for caption, figure in figures.values()]
    parts = {"title": title, "table": table, "notes": notes, "figures": pictures, "command": command}
    return rendered("study.html", parts)


def save_figures(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write each figure as PNG and SVG."""
    from coldframe.report.figures.style import save_figure

    for name, figure in figures.items():
        save_figure(figure, folder / name, dpi=110)


def plain_text(table: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """Return the table in columns, and the notes below it."""
    return "\n".join([*aligned(table), "", *notes])


class StudyResult(Protocol):
    """What a study says of itself: the contents of its folder."""

    command: str

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""

    def table(self) -> list[list[str]]:
        """Return a head, then a line per row."""

    def notes(self) -> list[str]:
        """Return what stands beside the table, a sentence or two each."""

    def figures(self) -> dict[str, tuple[str, Any]]:
        """Return file stem -> (caption, figure)."""


def write(folder: str | Path, title: str, study: StudyResult) -> Path:
    """Write ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
    folder, figures = Path(folder), study.figures()
    files.write_json(folder / "results.json", study.results())
    save_figures(folder, {name: figure for name, (_, figure) in figures.items()})
    files.write_text(folder / "report.html", page(title, study.table(), study.notes(), figures, study.command))
    return folder
