"""Which columns a table has, and the text of every cell: one source for the terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coldframe.results import wording
from coldframe.results.rows import Group

if TYPE_CHECKING:
    from coldframe.results.parts import About
    from coldframe.results.results import Results


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        field: the field of the rows.
        title: its heading.
        cell: its text for one line of the table.
        weight: columns of the lowest weight go first where room is short.
        meaning: what it says, for a reader who has never seen the tool.
    """

    field: str
    title: str
    cell: Callable[[Group], str]
    weight: int
    meaning: str


def _accuracy(field: str) -> Callable[[Group], str]:
    return lambda group: wording.percent(group.mean(field), group.half(field))


def _mean(field: str, show: Callable[[float | None], str]) -> Callable[[Group], str]:
    return lambda group: show(group.mean(field))


def _plain_accuracy(field: str) -> Callable[[Group], str]:
    return lambda group: wording.percent(group.mean(field))


_RIGHT = "percent of test images whose first answer is right, ± the 95% interval over seeds"
_FIVE = "percent of test images whose true class is among the first five answers"
_CLASS = "top-1 averaged over classes, so that small classes count as much as large ones"
_NOISE = "top-1 after Gaussian noise of this standard deviation is added to the test images"
_CLEAN = "top-1 of the very test images that were disturbed, as they are: what the columns after it fall from"
_CORRUPTED = "top-1 over corrupted test images: blur, weather, compression and the like"
_ATTACKED = "top-1 after an attack has changed every value of the test images by at most this much, against each method itself"
_ECE = "expected calibration error: how far stated confidence is from being right that often; 0 is perfect"
_TRAINING = "time to learn, once the images have gone through the frozen part; - where nothing is learned"
_LATENCY = "time to classify one image"
_MEMORY = "peak memory while learning, model and libraries included; on a GPU what its allocator held"
_TRAINED = "how many numbers are learned"
_SAVED = "size on disk of what was learned"

COLUMNS = (
    Column("top1", "top-1", _accuracy("top1"), 99, _RIGHT),
    Column("top5", "top-5", _plain_accuracy("top5"), 3, _FIVE),
    Column("mean_per_class", "per class", _plain_accuracy("mean_per_class"), 8, _CLASS),
    Column("clean_top1", "clean, same", _plain_accuracy("clean_top1"), 7, _CLEAN),
    Column("noise_top1", "noise", _plain_accuracy("noise_top1"), 7, _NOISE),
    Column("corruption_top1", "corrupted", _plain_accuracy("corruption_top1"), 6, _CORRUPTED),
    Column("robust_top1", "attacked", _plain_accuracy("robust_top1"), 7, _ATTACKED),
    Column("ece", "ECE", _mean("ece", wording.decimal), 5, _ECE),
    Column("train_seconds", "training", _mean("train_seconds", wording.seconds), 10, _TRAINING),
    Column("latency_ms", "latency", _mean("latency_ms", wording.milliseconds), 4, _LATENCY),
    Column("peak_memory_mb", "memory", _mean("peak_memory_mb", wording.megabytes), 2, _MEMORY),
    Column("trainable_parameters", "trained", _mean("trainable_parameters", wording.count), 9, _TRAINED),
    Column("stored_bytes", "saved", _mean("stored_bytes", wording.size), 1, _SAVED),
)


def columns(table: Results) -> list[Column]:
    """Return the columns in which at least one line was measured; that of clean images where some were not disturbed."""
    shown = [column for column in COLUMNS if any(row.get(column.field) is not None for row in table.rows)]
    all_of_them = all(row.get("disturbed_n") in (None, row.get("n")) for row in table.rows)
    return [column for column in shown if not (column.field == "clean_top1" and all_of_them)]


def title(column: Column, about: About) -> str:
    """Return a column's heading; those of noise and attack name their strength."""
    strength = {"noise_top1": about.noise, "robust_top1": about.attack}.get(column.field, "")
    return f"{column.title} {strength}".strip()


def cells(table: Results, chosen: list[Column] | None = None) -> list[list[str]]:
    """Return the table as text: the header, then one line a group."""
    shown = columns(table) if chosen is None else chosen
    head = ["method", *(title(column, table.about) for column in shown)]
    return [head, *([group.label, *(column.cell(group) for column in shown)] for group in table.groups())]


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
