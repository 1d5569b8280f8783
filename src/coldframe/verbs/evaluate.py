"""A saved run measured on data: accuracies, cost, what noise, corruptions, attacks and a union of labels do to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coldframe import files, measures
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Split
from coldframe.data.joined import everything
from coldframe.errors import InputError
from coldframe.evaluation import unions
from coldframe.evaluation.by_name import bound
from coldframe.evaluation.classifiers import logits_of
from coldframe.evaluation.disturbances import Disturbances
from coldframe.evaluation.disturbed import measure
from coldframe.evaluation.predictions import predictions_csv
from coldframe.evaluation.robustness import curves
from coldframe.evaluation.row import evaluate
from coldframe.evaluation.serving import serving
from coldframe.evaluation.tagged import tags_csv
from coldframe.measures.robustness import Progress
from coldframe.methods.base import Method
from coldframe.report import Detail, Table
from coldframe.results.rows import short
from coldframe.results.wording import spoken
from coldframe.types import Row
from coldframe.verbs.watch import circumstances

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SplitName = Literal["train", "val", "test", "all"]


@dataclass
class Measured:
    """What ``coldframe evaluate`` found.

    Args:
        table: of one row, with what its figures show.
        lines: what a terminal prints below the row.
        parts: of a union; empty where nothing was joined.
        predictions: the lines of ``predictions.csv``.
    """

    table: Table
    lines: list[str] = field(default_factory=list)
    parts: list[unions.PartScore] = field(default_factory=list)
    predictions: str = ""

    @property
    def row(self) -> Row:
        """The row of ``results.json``."""
        return self.table.rows[0]


def measure_run(
    method: Method,
    dataset: Dataset,
    split: SplitName = "test",
    *,
    asked: Disturbances | None = None,
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
    asked = asked or Disturbances()
    if asked.eps:
        logits_of(method)
    chosen: Split = everything(dataset) if split == "all" else dataset.split(split)
    lines: list[str] = []
    parts: list[unions.PartScore] = []
    if dataset.parts:
        method = unions.for_union(method, dataset)
        done, parts = unions.evaluate_union(method, dataset, chosen, cold=cold)
        lines += unions.lines(parts)
    else:
        method, chosen, lines = bound(method, chosen)
        done = evaluate(method, chosen, data=dataset.spec, cold=cold)
    row = done.row | serving({"": method})[""].fields()
    several = chosen.tags is not None
    if several and asked:
        raise InputError("expected one label per image for noise, corruptions and attacks, found several; leave these out")
    model = method.backbone.name
    details = [] if several else [
        Detail.of(method.name, [done.probabilities], chosen.labels, model=model, data=dataset.spec)
    ]  # fmt: skip
    notes = list(lines)
    if asked:
        found = measure({method.name: method}, chosen, asked, progress)[method.name]
        row |= found.fields()
        lines += found.lines()
        notes += asked.notes(chosen)
        details[0].curves = curves([found])
    learned = learned_from(method)
    if learned:
        chose = f" and chose on {learned['val']:,}" if learned["val"] else ""
        notes.insert(0, f"{spoken(method.name)} learned from {learned['train']:,} images{chose} of its own data")
    if split != "test":
        which = "all the" if split == "all" else f"the {split}"
        notes.insert(0, f"measured on {which} images of {dataset.spec}, {len(chosen):,} in all")
    about = circumstances(
        dataset,
        {method.name: method},
        data=" + ".join(part.name for part in dataset.parts) or short(dataset.spec),
        train=learned.get("train"),
        val=learned.get("val") or None,
        test=len(chosen) if split == "test" else None,
        classes=chosen.classes,
        noise=asked.named,
        attack=asked.named_eps,
    )
    machine = measures.machine(method.backbone.device)
    table = Table(rows=[row], command=command, machine=machine, about=about, details=details, notes=notes)
    told = (
        tags_csv(chosen, done.probabilities, method.thresholds, dataset.spec) if several
        else predictions_csv(chosen, done.probabilities, dataset.spec)
    )  # fmt: skip
    return Measured(table, lines, parts, told)


def learned_from(method: Method) -> dict[str, int]:
    """Return how many images a run learned from and chose on; empty where it learned nothing or was not saved with it."""
    found = method.choices.get("images")
    return dict(found) if method.trains and isinstance(found, dict) else {}


def write(measured: Measured, out: Path) -> None:
    """Write the results, the report and the figures of a run to a folder."""
    from coldframe.report.figures.style import save_figure
    from coldframe.report.saved import save_report

    save_report(measured.table, out)
    files.write_text(out / "predictions.csv", measured.predictions)
    if measured.parts:
        title = f"{spoken(measured.row['method'])} on {measured.table.about.data}"
        save_figure(union_figure(measured.parts, title), out / "figures" / "union")


def union_figure(scores: list[unions.PartScore], title: str) -> Figure:
    """Draw for each part: top-1 alone, top-1 in the union, and the share that another part takes."""
    from coldframe.report.figures.style import PALETTE, bars

    values: dict[str, float] = {}
    texts: dict[str, str] = {}
    colours: dict[str, str] = {}
    for score in scores:
        entries = [("alone", score.alone, PALETTE[6]), ("in the union", score.union, PALETTE[0])]
        entries += [(f"taken for {other}", share, PALETTE[1]) for other, share in score.taken.items()]
        for what, value, colour in entries:
            name = f"{score.name}: {what}"
            values[name], texts[name], colours[name] = 100 * value, f"{100 * value:.1f}", colour
    return bars(values, title=title, x_label="% of the part's images", texts=texts, colours=colours)
