"""A report as a folder: the numbers in three formats, the figures, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coldframe import files
from coldframe.report.figures.comparison import all_figures
from coldframe.report.figures.style import save_figure
from coldframe.report.page import page
from coldframe.report.table import Table
from coldframe.results.parts import HardImage, Picture


def save_report(
    table: Table,
    folder: str | Path,
    *,
    hardest: Sequence[HardImage] = (),
    prompts: Sequence[Picture] = (),
) -> Path:
    """Write results.json, results.csv, results.md, figures/*.png and *.svg, and report.html; return the page's path.

    Args:
        table: the results.
        folder: where to; made when absent.
        hardest: see :func:`page`; those of the table when none are given.
        prompts: see :func:`page`; those of the table when none are given.
    """
    folder = Path(folder)
    for name in ("results.json", "results.csv", "results.md"):
        table.save(folder / name)
    drawn = all_figures(table)
    # Before the files: a figure that was written once has moved its parts by fractions of a point.
    text = page(table, hardest=hardest, prompts=prompts, figures=drawn)
    for name, figure in drawn.items():
        save_figure(figure, folder / "figures" / name)
    return files.write_text(folder / "report.html", text)
