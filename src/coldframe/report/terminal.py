"""The table in a terminal: aligned columns that fit the width, a plain list where they cannot, and a live view."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from coldframe.errors import visible
from coldframe.results.columns import cells, columns, headline, title
from coldframe.results.fields import Field
from coldframe.results.rows import groups
from coldframe.results.verdict import recommended, verdict
from coldframe.results.wording import spoken
from coldframe.types import Row

if TYPE_CHECKING:
    from coldframe.results.results import Results

GAP = 3
STATUS = 24
"""Characters kept free for what a method is doing."""
PROSE = 120
"""Characters in a line of prose, however wide the terminal."""
NARROW = 44
"""Below this many columns of text every line of the table becomes a short list."""


def _console(file: IO[str] | None, width: int | None) -> Console:
    out = sys.stdout if file is None else file
    # A pipe has no width of its own: wide enough for every column, so that nothing is cut.
    wide = width or (None if out.isatty() else max(shutil.get_terminal_size((160, 24)).columns, 160))
    return Console(file=out, width=wide, highlight=False, soft_wrap=False)


def _text(line: str, style: str = "") -> Text:
    """Return foreign text for a console: brackets mean nothing, and what would act on a terminal is written out."""
    return Text(visible(line), style=style)


def fitting(table: Results, width: int) -> list[Field]:
    """Return the columns that fit side by side in ``width`` characters; the least weighty are left out first."""
    shown = columns(table)
    while len(shown) > 1 and _width(cells(table, shown)) > width:
        shown.remove(min(shown, key=lambda column: column.weight))
    return shown


def _width(text: list[list[str]]) -> int:
    widest = [max(cell_len(line[i]) for line in text) for i in range(len(text[0]))]
    return sum(widest) + GAP * (len(widest) - 1)


def _grid(text: list[list[str]], styles: Mapping[int, str]) -> Grid:
    """Return aligned columns; ``styles`` names the style of lines by their number."""
    grid = Grid(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False, header_style="bold")
    for number, heading in enumerate(text[0]):
        grid.add_column(Text(heading), no_wrap=True, overflow="ellipsis" if number == 0 else "fold")
    for number, line in enumerate(text[1:]):
        grid.add_row(*(_text(cell) for cell in line), style=styles.get(number, ""))
    return grid


def print_table(
    table: Results, file: IO[str] | None = None, *, width: int | None = None, head: bool = True, end: bool = True
) -> None:
    """Print the table, with the line about model and data above it and the verdict below it.

    Args:
        table: what to print.
        file: where to; standard output when None.
        width: characters in a line; that of the terminal when None.
        head: whether to print the line above.
        end: whether to print the verdict and the notes.
    """
    console = _console(file, width)
    if head and headline(table.about):
        console.print(_text(headline(table.about)))
    if head and table.about.cold:
        console.print(_text(table.about.cold))
    if head:
        console.print()
    shown = fitting(table, console.width)
    text = cells(table, shown)
    if table.rows and (console.width < NARROW or _width(text) > console.width):
        _list(console, table)
    elif table.rows:
        pick = recommended(table)
        strong = {i: "bold green" for i, g in enumerate(table.groups()) if pick is not None and g.key == pick.key}
        console.print(_grid(text, strong))
        left = [title(column, table.about) for column in columns(table) if column not in shown]
        if left:
            console.print(Text(f"(narrow terminal; also measured: {', '.join(left)})", style="dim"))
    if end:
        console.print()
        console.print(Text.assemble(("Verdict: ", "bold"), visible(verdict(table))), width=min(console.width, PROSE))
        for note in table.notes:
            console.print(_text(f"Note: {note}"))


def _list(console: Console, table: Results) -> None:
    head, *body = cells(table)
    wide = max(len(name) for name in head)
    for line in body:
        console.print(_text(line[0], "bold"))
        for name, cell in zip(head[1:], line[1:], strict=True):
            console.print(_text(f"  {name:<{wide}}  {cell}"))


class LiveTable:
    """The table while it is made: a line per method, filled in as results come. Silent when not on a terminal.

    Args:
        table: the table that grows; read again at every change.
        methods: all methods to come, in order.
        quiet: print nothing, as under ``--json``.
        file: where to; standard error when None, so that standard output stays clean.

    Example:
        >>> table = __import__("coldframe.report", fromlist=["Table"]).Table()
        >>> with live_table(table, ["knn"], quiet=True) as live:
        ...     live.status("knn", "seed 0")
        ...     live.add({"method": "knn", "seed": 0, "top1": 0.9})
        >>> len(table.rows)
        1
    """

    def __init__(self, table: Results, methods: Sequence[str], *, quiet: bool = False, file: IO[str] | None = None) -> None:
        self.table = table
        self.methods = tuple(methods)
        self.state: dict[str, str] = dict.fromkeys(self.methods, "")
        self.console = Console(file=sys.stderr if file is None else file, highlight=False)
        self.shown = not quiet and self.console.is_terminal and not self.console.is_dumb_terminal
        self._live = Live(self._render(), console=self.console, transient=True, auto_refresh=False) if self.shown else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def status(self, method: str, text: str) -> None:
        """Say what a method is doing, such as ``"epoch 3 of 30"``; empty when it is done."""
        self.state[method] = text
        self.refresh()

    def add(self, row: Row) -> None:
        """Add a row to the table and show it."""
        self.table.add(row)
        self.state[row["method"]] = ""
        self.refresh()

    def refresh(self) -> None:
        """Draw the table again."""
        if self._live is not None:
            self._live.update(self._render(), refresh=True)

    def _render(self) -> Grid:
        head, *body = cells(self.table, fitting(self.table, max(20, self.console.width - STATUS)))
        lines = groups(self.table.rows)
        done = [[*line, self.state.get(group.method, "")] for line, group in zip(body, lines, strict=True)]
        waiting = [method for method in self.methods if method not in {group.method for group in lines}]
        blank = [""] * (len(head) - 1)
        to_come = [[spoken(method), *blank, self.state.get(method) or "waiting"] for method in waiting]
        return _grid([[*head, ""], *done, *to_come], {len(done) + i: "dim" for i in range(len(to_come))})


def live_table(table: Results, methods: Sequence[str], *, quiet: bool = False, file: IO[str] | None = None) -> LiveTable:
    """Return a :class:`LiveTable`, to be used as a context."""
    return LiveTable(table, methods, quiet=quiet, file=file)
