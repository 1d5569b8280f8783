"""Progress in the terminal, on stderr: bars while something runs, a line when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from coldframe.cli.remaining import SHORT, Remaining
from coldframe.cold import PassReport
from coldframe.errors import visible
from coldframe.report import Table
from coldframe.report.terminal import LiveTable, live_table
from coldframe.results.wording import seconds, size
from coldframe.types import Row
from coldframe.verbs.watch import Watch


class Terminal(Watch):
    """Shows the cold pass as a bar, then the table as it fills; plain lines where there is no terminal."""

    shown: ClassVar[Terminal | None] = None
    """The one in use, so that the command line can take it away however a verb ends."""

    def __init__(self) -> None:
        Terminal.shown = self
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._pass: TaskID | None = None
        self._table: LiveTable | None = None
        self._left, self._told = Remaining(), set[str]()

    def _say(self, line: str) -> None:
        self.console.print(Text(visible(line)))

    def start(self, model: str, data: str) -> None:
        self.stop()
        self.console.print(Text.assemble((visible(model), "bold"), visible(f" · {data}")))

    def cold(self, done: int, total: int) -> None:
        speed = self.bars.tasks[0].speed if self.bars.tasks else None
        self._bar("cold pass", done, total, "" if speed is None else f"{speed:.0f} images/s")

    def disturbed(self, done: int, total: int) -> None:
        if self._table is not None:
            self.stop()  # one live display at a time
            self.console.print("disturbed images: every fit sees the same noise and corruptions, and is attacked by itself")
        self._bar("disturbed batches", done, total)
        if done == total:
            self._clear()

    def _bar(self, name: str, done: int, total: int, rate: str = "") -> None:
        if self._pass is None:
            self.bars.start()
            self._pass = self.bars.add_task(name, total=total, rate="")
        self.bars.update(self._pass, completed=done, rate=rate)

    def cold_done(self, report: PassReport) -> None:
        self._clear()
        cuts = ", ".join(report.cuts)
        if report.images:
            rate = report.images / max(report.seconds, 1e-9)
            again = f", {report.reused:,} found in the store" if report.reused else ""
            self._say(
                f"cold pass: {report.images:,} images · {rate:.0f} images/s · cuts {cuts} · "
                f"{size(report.bytes)} stored · {seconds(report.seconds)}{again}"
            )
        else:
            self._say(f"cold pass: nothing to do, all {report.reused:,} images are in the store (cuts {cuts})")
        for note in report.notes:
            self._say(f"  {note}")

    def planned(self, methods: Sequence[str], epochs: Mapping[str, int], seeds: int) -> None:
        self._left = Remaining(epochs, seeds)
        self._table = live_table(Table(), methods)
        self._table.__enter__()

    def promised(self, sentence: str) -> None:
        self._say(sentence)

    def fitting(self, method: str, seed: int) -> None:
        self._left.begin(method)
        if self._table is not None:
            self._table.status(method, f"seed {seed}")

    def epoch(self, method: str, seed: int, metrics: Mapping[str, Any]) -> None:
        left = self._left.after(metrics["epoch"]) or 0.0
        known = left >= SHORT
        if self._table is not None:
            val = f", val {metrics['val']:.1%}" if "val" in metrics else ""
            last = self._left.epochs.get(method)
            epoch = f"{metrics['epoch']}" + (f" of {last}" if last is not None else "")
            ahead = f", about {seconds(left)} left" if known else ""
            self._table.status(method, f"seed {seed}, epoch {epoch}{ahead}: loss {metrics['loss']:.3f}{val}")
        if known and not self.console.is_terminal and method not in self._told:
            self._told.add(method)
            self._say(f"  {method}: about {seconds(left)} left")

    def row(self, row: Row) -> None:
        if self._table is not None:
            self._table.add(row)
        if not self.console.is_terminal:
            spent = "" if row.get("train_seconds") is None else f" · {seconds(row['train_seconds'])}"
            told = f"top-1 {row['top1']:.1%}" if row.get("map") is None else f"mAP {row['map']:.1%}"
            self._say(f"  {row['method']}, seed {row['seed']}: {told}{spent}")

    def stop(self) -> None:
        """Take the bars and the growing table away."""
        self._clear()
        if self._table is not None:
            self._table.__exit__(None, None, None)
            self._table = None

    def _clear(self) -> None:
        self.bars.stop()
        for task in list(self.bars.task_ids):
            self.bars.remove_task(task)
        self._pass = None
