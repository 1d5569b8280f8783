"""``coldframe graph show|walks|check``: a graph by name or from a file, as matrices, walks and measured identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from coldframe.cli import common, numbers

app = App(name="graph", help="Matrices, walks and identities of a graph.")

Flag = Annotated[bool, Parameter(negative="")]


@app.command
def show(graph: str, *, directed: Flag = False, out: Path | None = None, json: Flag = False) -> None:
    """Print the adjacency and degree matrices of a graph as Python lists, and draw it.

    Args:
        graph: star:7, wheel:7, cycle:6, path:N, complete:N, karate, or an edge-list file with lines u,v or u,v,weight.
        directed: a line of the file is an arc.
        out: folder for results.json and the drawing.
        json: print results.json to stdout and nothing else.
    """
    from coldframe.foundations.graphs import answers

    _finish(answers.show(graph, directed=directed), out, json)


@app.command
def walks(
    graph: str,
    *,
    length: numbers.Length = 2,
    start: numbers.Place | None = None,
    end: numbers.Place | None = None,
    directed: Flag = False,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Print a power of the adjacency matrix, which counts walks, and the walks between two nodes one by one.

    Args:
        graph: as for show.
        length: number of steps.
        start: list the walks from this node.
        end: list the walks to this node; by default the start.
        directed: a line of the file is an arc.
        out: folder for results.json and the drawing.
        json: print results.json to stdout and nothing else.
    """
    from coldframe.foundations.graphs import answers

    _finish(answers.count(graph, length=length, start=start, end=end, directed=directed), out, json)


@app.command
def check(graph: str, *, seed: numbers.Seed = 0, directed: Flag = False, out: Path | None = None, json: Flag = False) -> None:
    """Measure on a graph what the course asks to show on paper, and print claim, largest difference and verdict.

    Args:
        graph: as for show.
        seed: of features, weights and renamings.
        directed: a line of the file is an arc.
        out: folder for results.json, the drawing and report.html.
        json: print results.json to stdout and nothing else.
    """
    from coldframe.foundations.graphs import answers

    _finish(answers.check(graph, seed=seed, directed=directed), out, json)


def _finish(answer: Any, out: Path | None, json: bool) -> None:
    if out is not None:
        answer.save(out)
    if json:
        common.print_json(answer.results())
        return
    common.say_all(str(answer).split("\n"))
    if out is not None:
        common.say(f"report: {out / 'report.html'}")
