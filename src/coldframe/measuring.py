"""A saved run measured on data: accuracies, cost, what noise, corruptions, attacks and a union of labels do to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from coldframe import evaluation, measures, perturbing, uniting
from coldframe.attackable import logits_of
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset
from coldframe.measures.robustness import Progress
from coldframe.methods.base import Method
from coldframe.report import About, Detail, Table
from coldframe.report.summary import short
from coldframe.types import Row

SplitName = Literal["train", "val", "test"]


@dataclass
class Measured:
    """What ``coldframe evaluate`` found.

    Args:
        table: of one row, with what its figures show.
        lines: what a terminal prints below the row.
        parts: of a union; empty where nothing was joined.
    """

    table: Table
    lines: list[str] = field(default_factory=list)
    parts: list[uniting.PartScore] = field(default_factory=list)

    @property
    def row(self) -> Row:
        """The row of ``results.json``."""
        return self.table.rows[0]


def measure_run(
    method: Method,
    dataset: Dataset,
    split: SplitName = "test",
    *,
    asked: perturbing.Asked | None = None,
    cold: ColdPass | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Measured:
    """Measure a fitted method on a split of a data set.

    Args:
        method: fitted on the data's classes, or, for joined data, one that scores classes by their names.
        dataset: the data.
        split: which images.
        asked: noise, corruptions and attack; nothing when None.
        cold: the store.
        command: what makes it again, for the report.
        progress: told about disturbed batches.

    Raises:
        InputError: the classes are others than those that were learned, or an attack was asked for that is not possible.
    """
    asked = asked or perturbing.Asked()
    if asked.eps:
        logits_of(method)
    chosen = {"train": dataset.train, "val": dataset.val, "test": dataset.test}[split]
    lines: list[str] = []
    parts: list[uniting.PartScore] = []
    if dataset.parts:
        method = uniting.for_union(method, dataset)
        done, parts = uniting.evaluate_union(method, dataset, chosen, cold=cold)
        lines += uniting.lines(parts)
    else:
        done = evaluation.evaluate(method, chosen, data=dataset.spec, cold=cold)
    row = done.row | {"latency_ms": round(evaluation.latency(method).median, 4)}
    detail = Detail.of(method.name, [done.probabilities], chosen.labels, model=method.backbone.name, data=dataset.spec)
    notes = list(lines)
    if asked:
        found = perturbing.measure({method.name: method}, chosen, asked, progress)[method.name]
        row |= found.fields()
        lines += found.lines()
        notes += asked.notes(chosen)
        detail.curves = perturbing.curves([found])
    about = About(
        model=method.backbone.name,
        parameters=method.backbone.parameter_count,
        data=" + ".join(part.name for part in dataset.parts) or short(dataset.spec),
        train=len(dataset.train),
        val=len(dataset.val),
        test=len(dataset.test),
        classes=dataset.classes,
        noise=asked.named,
        attack=asked.named_eps,
        splits=dataset.origin,
        settings={method.name: repr(method)},
        digests={f"weights of {method.backbone.name}": method.backbone.digest},
    )
    machine = measures.machine(method.backbone.device)
    table = Table(rows=[row], command=command, machine=machine, about=about, details=[detail], notes=notes)
    return Measured(table, lines, parts)


def write(measured: Measured, out: Path) -> None:
    """Write the results, the report and the figures of a run to a folder."""
    from coldframe.report.drawing import save_figure
    from coldframe.report.page import save_report
    from coldframe.report.wording import spoken

    save_report(measured.table, out)
    if measured.parts:
        title = f"{spoken(measured.row['method'])} on {measured.table.about.data}"
        save_figure(uniting.union_figure(measured.parts, title), out / "figures" / "union")
