"""One self-contained page and its figures as files: a title, a table, sentences, pictures, and the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from coldframe import files

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1d2327; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem; border-bottom: 1px solid #d5dadd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 2rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #50575e; }
pre { background: #f3f5f6; padding: .8rem; overflow-x: auto; }
@media print { figure { break-inside: avoid; } body { margin: 0; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<table>
<thead><tr>{% for cell in table[0] %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for line in table[1:] %}<tr>{% for cell in line %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table>
{% for note in notes %}<p>{{ note }}</p>
{% endfor %}
{% for caption, image in figures %}<figure>
<img alt="{{ caption }}" src="{{ image }}">
<figcaption>{{ caption }}</figcaption>
</figure>
{% endfor %}
<h2>To run it again</h2>
<pre>{{ command }}</pre>
</body>
</html>
"""


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
    from jinja2 import Environment

    from coldframe.report.figures.style import as_png, data_uri

    template = Environment(autoescape=True).from_string(_TEMPLATE)
    pictures = [(caption, data_uri(as_png(figure, dpi=110))) for caption, figure in figures.values()]
    return template.render(title=title, table=table, notes=notes, figures=pictures, command=command)


def save_figures(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write each figure as PNG and SVG."""
    from coldframe.report.figures.style import save_figure

    for name, figure in figures.items():
        save_figure(figure, folder / name, dpi=110)


def plain_text(table: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """Return the table in columns, its first to the left and the others to the right, and the notes below it."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = []
    for name, *rest in table:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("   ".join([name.ljust(widths[0]), *cells]).rstrip())
    return "\n".join([*lines, "", *notes])


class StudyResult(Protocol):
    """What a study says of itself: the contents of its folder."""

    command: str

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""

    def table(self) -> list[list[str]]:
        """Return a head, then a line a row."""

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
