"""Tables of text, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Lines = Sequence[Sequence[str]]
"""A head, then a line per row; as many cells in each."""


def aligned(table: Lines, *, right: bool = True) -> list[str]:
    """Return the lines in columns, three spaces apart.

    Args:
        table: the cells.
        right: whether all columns but the first end at one place, as numbers do; otherwise all begin at one.

    Example:
        >>> aligned([["method", "top-1"], ["knn", "9.0"]])
        ['method   top-1', 'knn        9.0']
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, *rest in table:
        cells = [cell.rjust(width) if right else cell.ljust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("   ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines


def markdown(table: Lines) -> list[str]:
    """Return the lines of a Markdown table; what would end a cell is escaped.

    Example:
        >>> markdown([["method", "top-1"], ["a|b", "9.0"]])
        ['| method | top-1 |', '| --- | --- |', '| a\\\\|b | 9.0 |']
    """
    head, *body = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in table]
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body)]
