"""Write the table and the picture of docs/choosing.md from the measured tables of docs/results/few-shot.md.

For each number of images per class: how many points a method lies behind the best one, as the mean over all measured data
sets and models in which it took part. ``python tools/choosing.py`` writes both;
``--check`` only says whether the page is up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from coldframe.report.figures.style import as_png, style

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "results" / "few-shot.md", ROOT / "docs" / "choosing.md"
PICTURE = ROOT / "docs" / "images" / "choosing.png"
START, END = "<!-- measured: tools/choosing.py -->", "<!-- end -->"
LEAST = 2
"""Fewest tables that a method must stand in to be listed."""


def tables(text: str) -> list[tuple[list[str], dict[str, list[float]]]]:
    """Return (shots, method -> top-1 for each) of every table that has a column per number of images per class."""
    found = []
    for block in re.findall(r"^\| method \|.*\n\|[-: |]+\|\n(?:\|.*\n?)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in block.strip().splitlines()]
        columns = [place for place, head in enumerate(lines[0]) if head.isdigit()]
        if columns:
            rows = {line[0].strip("`"): [float(line[place]) for place in columns] for line in lines[2:]}
            found.append(([lines[0][place] for place in columns], rows))
    return found


def behind(found: list[tuple[list[str], dict[str, list[float]]]]) -> tuple[list[str], dict[str, tuple[list[float], int]]]:
    """Return shots, and method -> (mean points behind the best of its table for each, number of tables), best method first."""
    shots = found[0][0]
    gaps: dict[str, list[list[float]]] = {}
    for heads, rows in found:
        if heads != shots:
            raise SystemExit(f"expected tables of {', '.join(shots)} images per class, found one of {', '.join(heads)}")
        best = np.max(list(rows.values()), axis=0)
        for method, values in rows.items():
            gaps.setdefault(method, []).append(list(best - values))
    means = {method: (list(np.mean(lines, axis=0)), len(lines)) for method, lines in gaps.items() if len(lines) >= LEAST}
    return shots, dict(sorted(means.items(), key=lambda pair: float(np.mean(pair[1][0]))))


def table(shots: list[str], means: dict[str, tuple[list[float], int]]) -> str:
    """Return the table as Markdown."""
    head = ["method", *(f"{count} per class" for count in shots), "measured on"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[f"`{method}`", *(f"{gap:.1f}" for gap in gaps), f"{count} tables"] for method, (gaps, count) in means.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(shots: list[str], means: dict[str, tuple[list[float], int]]) -> Figure:
    """Draw the same as a field of colours: light is near the best."""
    values = np.array([gaps for gaps, _ in means.values()])
    figure = Figure(figsize=(6.4, 0.9 + 0.34 * len(means)), layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(values, cmap="YlOrBr", vmin=0, vmax=max(10.0, float(values.max())), aspect="auto")
    axes.set_xticks(range(len(shots)), shots)
    axes.set_yticks(range(len(means)), list(means))
    axes.set_xlabel("training images per class")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=9, color="white" if value > 7 else "#1d2733")
    figure.colorbar(drawn, label="points behind the best, mean", fraction=0.05)
    return figure


def main() -> None:
    """Write, or check, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    shots, means = behind(tables(RESULTS.read_text(encoding="utf-8")))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    made = f"{before}{START}\n\n{table(shots, means)}\n\n{END}{after}"
    if check:
        if made != text:
            sys.exit("docs/choosing.md is older than docs/results/few-shot.md; run python tools/choosing.py")
        print("docs/choosing.md is up to date")
        return
    PAGE.write_text(made, encoding="utf-8")
    with style():
        PICTURE.write_bytes(as_png(picture(shots, means)))


if __name__ == "__main__":
    main()
