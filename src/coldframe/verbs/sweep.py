"""A grid of runs on one shared cold pass: resumed where it stood, skipped where done, seen as a table and as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coldframe import measures
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import OnError
from coldframe.data.load import canonical
from coldframe.errors import InputError
from coldframe.files import write_json, write_text
from coldframe.measures import hardware
from coldframe.methods import Method, method_class
from coldframe.report import Table, save_report
from coldframe.report.figures.heat_map import Panel, heat_map
from coldframe.report.figures.style import save_figure
from coldframe.report.study import page
from coldframe.results.rows import Group
from coldframe.verbs.choose import label
from coldframe.verbs.compare import compare
from coldframe.verbs.look_ahead import look_ahead
from coldframe.verbs.plan import Part, Plan, Settings
from coldframe.verbs.watch import Watch, command_line, folder_names
from coldframe.version import __version__

RANKED = "Lines are ranked by top-1 on validation images. Test images are read once per run and do not change the order."
BASELINES = ("zero-shot", "linear-probe")
"""What a sweep is measured against: the first that the model allows."""
CELL = ("method", "model", "data", "seed", "n", "top1", "ece", "train_seconds", "trainable_parameters", "stored_bytes", "noise")
"""What ``results.json`` says of a cell beside its settings."""


@dataclass(frozen=True)
class Line:
    """One run of a plan on one data set.

    Args:
        part: which of the plan's methods; None for the baseline.
        cell: what is varied.
        data: the data's name.
        group: its rows over seeds.
        published: a known top-1 of the same settings, a fraction, or None.
    """

    part: Part | None
    cell: Settings
    data: str
    group: Group
    published: float | None

    @property
    def kind(self) -> type[Method]:
        """The class of the method."""
        assert self.part is not None, "a baseline is no part of the plan"
        return method_class(self.part.method)


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Args:
        plan: what was run.
        tables: by data.
        lines: one for each data set, method and cell.
        baselines: by data, what the cells have to beat.
        command: what makes it again.
        machine: where it ran.
    """

    plan: Plan
    tables: Mapping[str, Table]
    lines: Sequence[Line]
    command: str
    machine: Mapping[str, Any]
    baselines: Mapping[str, Group] = field(default_factory=dict)

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``: the rows of all tables, and by its settings what each cell and seed reached."""
        rows = [row for table in self.tables.values() for row in table.to_json()["rows"]]
        cells = [
            {"settings": {**(line.part.settings if line.part else {}), **line.cell}, **{key: row.get(key) for key in CELL}}
            for line in self.lines
            for row in line.group.rows
        ]
        head = {"coldframe": __version__, "command": self.command, "machine": dict(self.machine)}
        return head | {"rows": rows, "cells": cells}

    def table(self) -> list[list[str]]:
        """Return a head and a line for each run: data, method, what is varied, top-1 on val and on test, costs.

        Of each data set the baseline stands first, then the cells by their mean top-1 on validation images.
        """
        noisy = any(line.group.mean("noise_top1") is not None for line in self.lines)
        known = any(line.published is not None for line in self.lines)
        varied = list(dict.fromkeys(name for line in self.lines for name in line.cell))
        head = ["data", "method", *varied, "val (%)", "test (%)", *(["noise"] if noisy else []), "trained", "seconds"]
        found = [head + (["published"] if known else [])]
        for spec in self.tables:
            if spec in self.baselines:
                found.append(_cells(Line(None, {}, spec, self.baselines[spec], None), varied, noisy, known))
            found += [_cells(line, varied, noisy, known) for line in self.ranked(spec)]
        return found

    def ranked(self, spec: str) -> list[Line]:
        """Return the lines of one data set, the highest mean top-1 on validation images first; test images have no say."""
        return sorted((line for line in self.lines if line.data == spec), key=lambda line: -(line.group.mean("val_top1") or 0))

    def figures(self) -> dict[str, tuple[str, Any]]:
        """Return a heat map for each method with two varied names or more: file stem -> (caption, figure)."""
        found: dict[str, tuple[str, Any]] = {}
        seeds = "one seed" if self.plan.seeds == 1 else f"{self.plan.seeds} seeds"
        for number, part in enumerate(self.plan.parts):
            if len(part.grid) < 2:
                continue
            stem = f"heat-{part.method}" + (f"-{number}" if f"heat-{part.method}" in found else "")
            caption = f"Mean top-1 in percent of {part.method} on test images, {seeds}."
            beside = {spec: (group.method, group.mean("top1") or 0.0) for spec, group in self.baselines.items()}
            caption += " The row below is the baseline." if beside else ""
            found[stem] = (caption, heat_map(self._panels(part), *_axes(part), beside))
        return found

    def _panels(self, part: Part) -> list[Panel]:
        rows, columns = _axes(part)
        panels: dict[tuple[str, str], Panel] = {}
        for line in self.lines:
            if line.part is not part:
                continue
            rest = {name: value for name, value in line.cell.items() if name not in (*rows.split("+"), *columns.split("+"))}
            panel = panels.setdefault((line.data, words(rest)), Panel(line.data, words(rest)))
            at = tuple(" ".join(str(line.cell[name]) for name in axis.split("+")) for axis in (rows, columns))
            panel.values[at[0], at[1]] = line.group.mean("top1")
        return list(panels.values())

    def save(self, out: Path) -> None:
        """Write ``results.json``, the heat maps, ``report.html``, and the full report of each data set in its folder."""
        write_json(out / "results.json", self.results())
        figures = self.figures()
        for stem, (_, figure) in figures.items():
            save_figure(figure, out / stem)
        about = f"{self.machine['device']}, {hardware.threads(self.machine)}, torch {self.machine['torch']}"
        each = "The report of each data set lies in its own folder beside this page."
        notes = [f"{self.plan.model}; seeds 0 to {self.plan.seeds - 1}; {about}. Intervals are 95% over seeds.", RANKED, each]
        write_text(out / "report.html", page(self.plan.title, self.table(), notes, figures, self.command))


def _cells(line: Line, varied: Sequence[str], noisy: bool, known: bool) -> list[str]:
    group = line.group
    noise, trained, seconds = (group.mean(name) for name in ("noise_top1", "trainable_parameters", "train_seconds"))
    method = f"{group.method} (baseline)" if line.part is None else line.kind.name
    settings = (str(line.cell.get(name, "")) for name in varied)
    cells = [line.data, method, *settings, _percent(group, "val_top1"), _percent(group, "top1")]
    cells += ["-" if noise is None else f"{100 * noise:.1f}"] if noisy else []
    cells += ["-" if trained is None else f"{trained:,.0f}", "-" if not seconds else f"{seconds:.1f}"]
    return cells + (["-" if line.published is None else f"{100 * line.published:.2f}"] if known else [])


def _percent(group: Group, name: str) -> str:
    found = group.over_seeds(name)
    if found is None:
        return "-"
    return f"{100 * found.mean:.1f}" + (f" ± {100 * found.half:.1f}" if found.half is not None else "")


def _axes(part: Part) -> tuple[str, str]:
    """Return the names that become rows and columns: the two with most values, in the grid's order."""
    longest = sorted(part.grid, key=lambda name: -len(part.grid[name]))[:2]
    rows, columns = (name for name in part.grid if name in longest)
    return rows, columns


def words(cell: Mapping[str, Any]) -> str:
    """Return settings as a person reads them."""
    return ", ".join(f"{name} {value}" for name, value in cell.items())


def sweep(
    plan: Plan,
    *,
    model: str | Backbone | None = None,
    out: str | Path | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    latency: bool = False,
    cold: ColdPass | None = None,
    watch: Watch | None = None,
    command: str | None = None,
    on_error: OnError = "raise",
    only: tuple[int, int] | None = None,
) -> Sweep:
    """Run every cell of a plan on every data set with every seed.

    Each data set is one comparison: one cold pass serves all cells, and with ``out`` finished fits are not run again.

    Args:
        plan: what to run.
        model: a backbone or its name, in place of the plan's.
        out: folder of the finished fits and of each data set's report.
        device: where to run.
        precision: of the frozen part.
        download: whether weights and data may be fetched.
        latency: whether latencies are measured.
        cold: how activations are kept.
        watch: told about progress.
        command: what makes it again; None for the process's own arguments.
        on_error: what to do with images that do not decode: ``"raise"``, before any work, or ``"skip"``.
        only: (i, n): run every n-th fit from the i-th on and keep it in ``out``, without a table; with i = 0 the cold pass
            alone.

    Raises:
        InputError: the plan names no data, or settings that a method does not take.
    """
    if not plan.data:
        raise InputError("expected data to sweep over, found none; name some with --data")
    chosen = model if model is not None else plan.model
    backbone = load_backbone(chosen, device=device, dtype=precision, download=download) if isinstance(chosen, str) else chosen
    made = [(part, cell, make(part, cell, backbone)) for part in plan.parts for cell in part.cells()]
    base = baseline([method for _, _, method in made], backbone)
    methods = [*([] if base is None else [base]), *(method for _, _, method in made)]
    cold, folder = cold or ColdPass(), None if out is None else Path(out)
    tables, lines, baselines, names = {}, [], {}, folder_names(plan.data)
    look_ahead(
        plan.data,
        lambda spec: load_dataset(spec, shots=plan.shots_of(spec), download=download, on_error=on_error),
        methods, [backbone], on_error=on_error,
    )  # fmt: skip
    for spec in plan.data:
        own = None if folder is None else folder / names[spec]
        table = compare(
            methods, spec, seeds=plan.seeds, shots=plan.shots_of(spec), noise=plan.noise, latency=latency, out=own,
            device=device, precision=precision, download=download, cold=cold, watch=watch, command=command or command_line(),
            on_error=on_error, only=only,
        )  # fmt: skip
        if only is not None:
            continue
        tables[spec] = table
        if own is not None:
            save_report(table, own)
        groups = {group.key[0]: group for group in table.groups()}
        if base is not None and (group := groups.get(label(base, methods))) is not None:
            baselines[spec] = group
        for part, cell, method in made:
            group = groups.get(label(method, methods))  # a cell that could not be finished is named in the table's notes
            if group is not None:
                lines.append(Line(part, cell, spec, group, _published(plan, part, cell, spec)))
    return Sweep(plan, tables, lines, command or command_line(), measures.machine(device), baselines)


def baseline(methods: Sequence[Method], backbone: Backbone) -> Method | None:
    """Return what the cells have to beat: class names alone, or a linear probe where the model has no texts.

    None where the plan runs one of these itself.
    """
    if any(method.name in BASELINES for method in methods):
        return None
    name = next(name for name in BASELINES if not method_class(name).unfit(backbone, ()))
    return method_class(name)(backbone)


def make(part: Part, cell: Settings, backbone: Backbone) -> Method:
    """Return the method of one cell. Raises :class:`InputError` for settings that it does not take."""
    kind, settings = method_class(part.method), {**part.settings, **cell}
    return kind.preset(part.preset, backbone, **settings) if part.preset else kind(backbone, **settings)


def _published(plan: Plan, part: Part, cell: Settings, spec: str) -> float | None:
    for known in plan.published:
        same = canonical(str(known.get("data"))) == canonical(spec) and known.get("method") == part.method
        if same and all(known.get(name) == value for name, value in cell.items()):
            return float(known["top1"])
    return None
