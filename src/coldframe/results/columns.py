"""Which columns a table has, and the text of every cell: one source for the terminal, Markdown and the page."""

from __future__ import annotations

from coldframe.results import wording
from coldframe.results.fields import FIELDS, Field
from coldframe.results.parts import About
from coldframe.results.results import Results
from coldframe.results.rows import Group


def columns(table: Results) -> list[Field]:
    """Return the columns in which at least one line was measured; that of clean images where some were not disturbed."""
    shown = [field for field in FIELDS if field.title and any(row.get(field.name) is not None for row in table.rows)]
    all_of_them = all(row.get("disturbed_n") in (None, row.get("n")) for row in table.rows)
    return [field for field in shown if not (field.name == "clean_top1" and all_of_them)]


def title(field: Field, about: About) -> str:
    """Return a column's heading; those of noise and attack name their strength."""
    return f"{field.title} {getattr(about, field.strength) if field.strength else ''}".strip()


def cell(field: Field, group: Group) -> str:
    """Return the text of one cell."""
    return field.format(group.mean(field.name), group.half(field.name))


def cells(table: Results, chosen: list[Field] | None = None) -> list[list[str]]:
    """Return the table as text: the header, then one line a group."""
    shown = columns(table) if chosen is None else chosen
    head = ["method", *(title(field, table.about) for field in shown)]
    return [head, *([group.label, *(cell(field, group) for field in shown)] for group in table.groups())]


def headline(about: About) -> str:
    """Return the line above the table: the model, the data and the machine."""
    model = ", ".join(
        part for part in (about.model, f"{wording.count(about.parameters)} parameters" if about.parameters else "") if part
    )
    sizes = [(about.train, "train"), (about.val, "val"), (about.test, "test"), (len(about.classes) or None, "classes")]
    counts = ", ".join(f"{number:,} {name}" for number, name in sizes if number is not None)
    data = f"{about.data}: {counts}" if about.data and counts else about.data or counts
    where = ", ".join(part for part in (about.device, about.precision) if part)
    return " · ".join(part for part in (model, data, where) if part)
