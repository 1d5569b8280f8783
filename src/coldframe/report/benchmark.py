"""The result of a benchmark: its rows, the printed table, the files and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldframe import files
from coldframe.measures import hardware
from coldframe.results import wording
from coldframe.results.rows import plain
from coldframe.results.text_table import aligned, markdown
from coldframe.types import Row
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEGEND = {
    "top-1": "percent of ImageNet's validation images, as published with the weights; ° is a probe's on frozen features",
    "measured": "top-1 on the images that were given",
    "latency, ms": "an image in evaluation mode under no_grad: the middle of all passes, after warm-up",
    "p10 to p90": "the same for the fast and the slow tenth of the passes",
    "processor": "the median of the processor's time, all threads; other work on the machine hardly changes it",
    "inference mode": "the same under torch.inference_mode: latency, or the processor's time where figures use it",
    "gradients on": "the same while the graph for a backward pass is recorded",
    "memory, MiB": "what the output of a forward pass keeps alive under no_grad, model left out; (n): at this smaller batch",
    "with gradients": "the same while the graph is recorded: the output keeps all that a backward pass would read",
    "GMACs": "billions of multiplications with addition per image",
}
"""Heading -> what it says."""
CAPTIONS = {
    "accuracy_against_latency": "Further left is faster, higher is better.",
    "latency_against_parameters": "Whether a larger network is a slower one.",
    "time": "What recording gradients costs in time.",
    "memory": "What recording gradients costs in memory.",
}
"""File stem of a figure -> what it shows."""


@dataclass
class Benchmark:
    """The rows of some models, and how they were measured.

    Args:
        settings: how, as plain values.
        machine: :func:`coldframe.measures.machine`.
        command: what makes it again.
        rows: one per model.
    """

    settings: dict[str, Any]
    machine: dict[str, Any]
    command: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def accuracy(self) -> str:
        """The field of the rows that figures show: the measured top-1, unless more rows have a published one."""
        known = {name: sum(row[name] is not None for row in self.rows) for name in ("measured_top1", "top1")}
        return "measured_top1" if known["measured_top1"] >= max(known["top1"], 1) else "top1"

    @property
    def quiet(self) -> bool:
        """Whether figures show processor time: other work disturbed the passes, and with one thread that is their latency."""
        known = all(row["latency_processor_ms"] is not None for row in self.rows)
        return known and self.machine.get("threads") == 1 and any(row["interference"] for row in self.rows)

    def drawn(self) -> list[Row]:
        """Return the rows as figures, the front and correlations read them: see :attr:`quiet`."""
        if not self.quiet:
            return self.rows
        names = [(mode, name) for mode in ("latency", "gradients") for name in ("ms", "p10_ms", "p90_ms")]
        return [
            row | {f"{mode}_{name}": row[f"{mode}_processor_ms"] for mode, name in names} | {"quiet": True} for row in self.rows
        ]

    @property
    def headline(self) -> str:
        """What was measured on, and how."""
        where, how = self.machine, self.settings
        device = where.get("gpu") or f"{where.get('cpu', 'cpu')}, {hardware.threads(where)}"
        extras = [word for word, on in (("channels_last", how["channels_last"]), ("compiled", how["compiled"])) if on]
        words = [device, how["precision"], *extras, f"torch {where.get('torch', '')}"]
        least, most = (f(row["passes"] for row in self.rows) if self.rows else how["passes"] for f in (min, max))
        passes = f"{least}" if least == most else f"{least} to {most}"
        counts = f"batch {how['batch']}, {passes} passes, memory at batch {how['memory_batch']}"
        return f"{', '.join(words)} · {counts}"

    def cells(self) -> list[list[str]]:
        """Return the table as text: the head, then a line per model."""
        measured = any(row["measured_top1"] is not None for row in self.rows)
        head = ["model", "top-1", *(["measured"] if measured else []), *list(LEGEND)[2:9], "parameters", "GMACs"]
        return [head, *(self._line(row, measured) for row in self.rows)]

    def _line(self, row: Row, measured: bool) -> list[str]:
        def memory(mode: str) -> str:
            batch = row[f"{mode}_memory_batch"]
            return _number(row[f"{mode}_held_mib"]) + (f" ({batch})" if batch != row["memory_batch"] else "")

        return [
            row["label"],
            wording.percent(row["top1"]) + ("°" if row["top1_of_probe"] else ""),
            *([wording.percent(row["measured_top1"])] if measured else []),
            _number(row["latency_ms"]),
            f"{_number(row['latency_p10_ms'])} to {_number(row['latency_p90_ms'])}",
            wording.DASH if row["latency_processor_ms"] is None else _number(row["latency_processor_ms"]),
            *(_number(row[f"{mode}_{'processor_ms' if self.quiet else 'ms'}"]) for mode in ("inference_mode", "gradients")),
            memory("no_grad"),
            memory("gradients"),
            wording.count(row["parameters"]),
            wording.DASH if row["gmacs"] is None else f"{row['gmacs']:.2f}" if row["gmacs"] >= 0.095 else f"{row['gmacs']:.2g}",
        ]

    def says(self) -> list[str]:
        """Return what the numbers say, a sentence each: the Pareto front and both correlations."""
        from coldframe.report.figures.benchmark import correlation_words, correlations, front

        said = []
        best = [row["label"] for row in front(self.drawn(), self.accuracy)]
        if best and len(self.rows) > 1:
            said.append(f"Nothing here is both faster and more accurate than {wording.joined(best)}.")
        found = correlations(self.drawn(), self.accuracy)
        words = [f"{key.replace('_', ' ').capitalize()}: {correlation_words(value)}." for key, value in found.items() if value]
        return [*said, *words]

    def notes(self) -> list[str]:
        """Return what a reader must know: random weights, probes, reduced batches, other work on the machine."""
        rows, said = self.rows, []
        if drawn := [row["label"] for row in rows if row["weights"] == "random"]:
            trained = any(row["weights"] == "random" and row["top1"] is not None for row in rows)
            said.append(
                f"{wording.joined(drawn)}: run with random weights, on which speed, memory and size do not depend"
                + ("; the published top-1 belongs to trained ones." if trained else ".")
            )
        said += [f"{row['label']}: top-1 is that of {row['top1_source']}." for row in rows if row["top1_of_probe"]]
        for row in rows:
            if row["memory_note"]:
                asked, expected = row["memory_batch"], row["gradients_predicted_mib"]
                said.append(
                    f"{row['label']}: {row['memory_note']}, because batch {asked} might not fit; "
                    f"predicted for {asked} with gradients on: {expected:,.0f} MiB."
                )
            if row["batch"] < self.settings["batch"]:
                said.append(f"{row['label']}: timed at batch {row['batch']}, because more might not fit.")
            if row["gmacs"] is None:
                said.append(f"{row['label']}: no GMACs, because {row['uncounted']} cannot be counted.")
        without = [row["label"] for row in rows if row["measured_top1"] is None]
        if self.settings.get("images") and without:
            needs = "trained weights, and a classifier or texts of the classes"
            said.append(f"{wording.joined(without)}: top-1 was not measured, which takes {needs}.")
        said += [f"{row['label']}: measured top-1 is {row['measured_by']}." for row in rows if row["measured_by"]]
        said += _interference(rows)
        if self.quiet:
            said.append(
                "Figures, the front and both r use the processor's time: with one thread it is the latency of a quiet machine."
            )
        if self.settings["compiled"]:
            said.append("Times are of the compiled network, memory and operations of the plain one.")
        return said

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        from coldframe.report.figures.benchmark import correlations, front

        found = correlations(self.drawn(), self.accuracy)
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": plain(self.machine),
            "settings": plain(self.settings),
            "rows": [plain(row) for row in self.rows],
            "correlations": {name: None if value is None else plain(asdict(value)) for name, value in found.items()},
            "pareto": [row["model"] for row in front(self.drawn(), self.accuracy)],
            "notes": self.notes(),
        }

    def to_csv(self) -> str:
        """Return the rows as comma-separated values with a header."""
        return files.as_csv([list(self.rows[0]) if self.rows else [], *(row.values() for row in self.rows)])

    def to_markdown(self) -> str:
        """Return the table as Markdown, with what it says and the notes under it."""
        below = [" ".join(self.says()), *(f"\nNote: {note}" for note in self.notes())]
        return "\n".join([self.headline, "", *markdown(self.cells()), "", *below]) + "\n"

    def __str__(self) -> str:
        lines = aligned(self.cells(), right=False)
        return "\n".join([self.headline, "", *lines, "", *self.says(), *(f"Note: {note}" for note in self.notes())])

    def figures(self) -> dict[str, Figure]:
        """Return the figures that the rows can fill, by the name of their file."""
        from coldframe.report.figures import benchmark as trade_offs

        rows = self.drawn()
        drawn = {
            "accuracy_against_latency": trade_offs.accuracy_against_latency(rows, self.accuracy),
            "latency_against_parameters": trade_offs.latency_against_parameters(rows),
            "time": trade_offs.time_bars(rows),
            "memory": trade_offs.memory_bars(rows),
        }
        return {name: figure for name, figure in drawn.items() if figure is not None}

    def page(self, figures: dict[str, Figure] | None = None) -> str:
        """Return the report as one HTML page that loads nothing from elsewhere."""
        from coldframe.report.figures.style import as_svg, data_uri
        from coldframe.report.page import rendered

        head, *body = self.cells()
        drawn = self.figures() if figures is None else figures
        facts = [(str(key), str(value)) for key, value in self.machine.items() if value not in (None, "")]
        parts = {
            "title": "What models cost, and what they reach",
            "headline": self.headline,
            "says": self.says(),
            "head": head,
            "lines": body,
            "notes": self.notes(),
            "legend": [(name, LEGEND[name]) for name in head if name in LEGEND],
            "figures": [(data_uri(as_svg(figure), "image/svg+xml"), CAPTIONS[name]) for name, figure in drawn.items()],
            "sources": [(r["label"], wording.percent(r["top1"]), r["top1_source"]) for r in self.rows if r["top1_source"]],
            "command": self.command,
            "facts": facts,
        }
        return rendered("benchmark.html", parts)

    def save_numbers(self, folder: str | Path) -> None:
        """Write ``results.json``, ``results.csv`` and ``results.md``."""
        files.write_json(Path(folder) / "results.json", self.to_json())
        files.write_text(Path(folder) / "results.csv", self.to_csv())
        files.write_text(Path(folder) / "results.md", self.to_markdown())

    def save(self, folder: str | Path) -> Path:
        """Write the numbers, the figures as PNG and SVG, and ``report.html``; return the page's path."""
        from coldframe.report.figures.style import save_figure

        self.save_numbers(folder)
        drawn = self.figures()
        for name, figure in drawn.items():
            save_figure(figure, Path(folder) / "figures" / name)
        return files.write_text(Path(folder) / "report.html", self.page(drawn))


def _number(value: float) -> str:
    """Return a time or an amount of memory without its unit: ``1,354``, ``4.2``."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def _interference(rows: Sequence[Row]) -> list[str]:
    """Say in a sentence that other work disturbed the passes of some models, and how much."""
    disturbed = [row for row in rows if row["interference"]]
    if not disturbed:
        return []
    who = wording.joined([row["label"] for row in disturbed]) if len(disturbed) < len(rows) else "every model"
    slow = max(row["latency_p90_ms"] / row["latency_p10_ms"] for row in disturbed)
    rates = [row["switches_per_second"] for row in disturbed if row["switches_per_second"] is not None]
    switched = f"up to {max(rates):.0f} involuntary context switches a second, " if rates else ""
    return [
        f"Other work ran on this machine while {who} was timed: {switched}slow passes up to {slow:.1f} times as long as "
        "fast ones; compare medians within this table, not with other machines."
    ]
