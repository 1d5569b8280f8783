"""Which columns a table has, and the text of every cell: one source for the terminal, Markdown and the page."""

from __future__ import annotations

from coldframe.results import wording
from coldframe.results.fields import FIELDS, Field
from coldframe.results.parts import About
from coldframe.results.results import Results
from coldframe.results.rows import Group
from coldframe.results.trusted import CALIBRATION, SECTIONS, UNKNOWN

INTERVAL = Field(
    "top1_images", "interval", "where top-1 would lie on other images of the same kind, in 95 of 100 cases (Wilson)",
    "fraction", 98, lambda mean, half: wording.DASH,
)  # fmt: skip
"""The interval of top-1 over images, beside that over seeds; it follows from top-1 and the number of images."""


MAP_INTERVAL = Field(
    "map_images", "interval", "where mAP would lie on other images of the same kind, in 95 of 100 cases (bootstrap)",
    "fraction", 98, lambda mean, half: wording.DASH,
)  # fmt: skip
"""The interval of mAP over images."""


def columns(table: Results) -> list[Field]:
    """Return the columns in which at least one line was measured; that of clean images where some were not disturbed."""
    plain = [field for field in FIELDS if field.title and not field.section]
    shown = [field for field in plain if any(row.get(field.name) is not None for row in table.rows)]
    all_of_them = all(row.get("disturbed_n") in (None, row.get("n")) for row in table.rows)
    left = [field for field in shown if not (field.name == "clean_top1" and all_of_them)]
    known = any(group.over_images() is not None for group in table.groups())
    beside = ({"top1": INTERVAL} if known else {}) | {"map": MAP_INTERVAL}
    return [each for field in left for each in ((field, beside[field.name]) if field.name in beside else (field,))]


def trust_tables(table: Results) -> list[tuple[str, list[Field], list[list[str]]]]:
    """Return what says whether answers can be believed, by section: its heading, its columns, and the text of every cell.

    Each number has its 95% interval over images behind it, in brackets, the mean of the ends over seeds. The error of
    calibration before scaling stands beside that after it.
    """
    found = []
    for section, heading in SECTIONS.items():
        named = [field for field in FIELDS if field.section == section]
        chosen = [field for field in named if any(row.get(field.name) is not None for row in table.rows)]
        if not chosen:
            continue
        if section == CALIBRATION:
            chosen[1:1] = [field for field in FIELDS if field.name == "ece"]
        lines = [[group.label, *(_with_interval(field, group) for field in chosen)] for group in table.groups()]
        others = sorted({str(row["unknown"]) for row in table.rows if row.get("unknown")}) if section == UNKNOWN else []
        found.append((f"{heading} ({', '.join(others)})" if others else heading, chosen, lines))
    return found


def _with_interval(field: Field, group: Group) -> str:
    ends, mean = group.ends(field.name), group.mean(field.name)
    show = wording.thousandths if field.name == "ece" else lambda value: field.format(value, None)
    return show(mean) if ends is None else f"{show(mean)} ({show(ends[0])}–{show(ends[1])})"


def title(field: Field, about: About) -> str:
    """Return a column's heading; those of noise and attack name their strength."""
    return f"{field.title} {getattr(about, field.strength) if field.strength else ''}".strip()


def cell(field: Field, group: Group) -> str:
    """Return the text of one cell."""
    if field is INTERVAL:
        found = group.over_images()
        return wording.DASH if found is None else wording.span(found.low, found.high)
    if field is MAP_INTERVAL:
        ends = group.ends("map")
        return wording.DASH if ends is None else wording.span(*ends)
    return field.format(group.mean(field.name), group.half(field.name))


def value(field: Field, group: Group) -> float | None:
    """Return the number behind a cell, by which a page sorts: of the interval its lower end."""
    if field is INTERVAL:
        found = group.over_images()
        return None if found is None else found.low
    if field is MAP_INTERVAL:
        ends = group.ends("map")
        return None if ends is None else ends[0]
    return group.mean(field.name)


def cells(table: Results, chosen: list[Field] | None = None) -> list[list[str]]:
    """Return the table as text: the header, then one line per group."""
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
