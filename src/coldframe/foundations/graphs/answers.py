"""What ``coldframe graph`` prints: matrices, walks and checks of one graph, as text, as results and as a page."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.errors import InputError
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.identities import Finding, check_all
from coldframe.foundations.graphs.messages import check_positive
from coldframe.foundations.graphs.powers import power, walks
from coldframe.foundations.graphs.readers import open_graph
from coldframe.measures.hardware import machine
from coldframe.results.text_table import aligned
from coldframe.version import __version__

PRINTED = 40
"""Largest N whose matrices are printed: wider lines are not read."""
DRAWN = 500
"""Largest N that is drawn."""


@dataclass
class Answer:
    """What one command found.

    Args:
        command: what makes it again.
        graph: what it was asked of.
        rows: one line a finding.
        text: what the terminal shows.
        table: a head and lines, for the page.
        notes: sentences for the page.
        extra: further values of ``results.json``.
    """

    command: str
    graph: Graph
    rows: list[dict[str, Any]]
    text: str
    table: list[list[str]]
    notes: list[str]
    extra: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        g = self.graph
        about = {"name": g.name, "nodes": g.n, "edges": g.edge_count, "directed": g.directed}
        head = {"coldframe": __version__, "command": self.command, "machine": machine(), "graph": about}
        return head | {"rows": self.rows} | self.extra

    def save(self, folder: str | Path) -> Path:
        """Write ``results.json``, the drawing of a graph of up to 500 nodes, and ``report.html``; return the folder."""
        from coldframe.foundations.graphs.drawing import draw_graph
        from coldframe.report.study import page, save_figures

        folder = Path(folder)
        figures = {"graph": (repr(self.graph)[1:-1], draw_graph(self.graph))} if self.graph.n <= DRAWN else {}
        files.write_json(folder / "results.json", self.results())
        save_figures(folder, {name: figure for name, (_, figure) in figures.items()})
        html = page(f"Graph {self.graph.name}", self.table, self.notes, figures, self.command)
        files.write_text(folder / "report.html", html)
        return folder


def show(spec: str, *, directed: bool = False) -> Answer:
    """Return adjacency and degree matrices as Python lists.

    Args:
        spec: a name such as ``star:7``, or the path of an edge list.
        directed: a line of the file is an arc.
    """
    graph = open_graph(spec, directed=directed)
    degrees = graph.degrees().tolist()
    table = [["node", "degree", "neighbours"]]
    near: list[list[int]] = [[] for _ in range(graph.n)]
    for u, v in graph.arcs.T.tolist():
        near[v].append(u)
    table += [[str(v), f"{degrees[v]:g}", _listed(near[v])] for v in range(min(graph.n, 1_000))]
    rows = [{"node": v, "degree": degrees[v], "neighbours": near[v]} for v in range(graph.n)]
    if graph.n > PRINTED:
        text = f"{graph!r}\nmatrices are printed for up to {PRINTED} nodes; --out or --json gives every node's neighbours"
        return Answer(_command("show", spec, directed), graph, rows, text, table, [repr(graph)[1:-1]])
    A, D = graph.adjacency_lists(), graph.degree_matrix().tolist()
    text = f"{graph!r}\nadjacency matrix A\n{A}\ndegree matrix D\n{D}"
    notes = [f"A = {A}", f"D = {D}"]
    return Answer(_command("show", spec, directed), graph, rows, text, table, notes, {"adjacency": A, "degree": D})


def count(
    spec: str, *, length: int = 2, start: int | None = None, end: int | None = None, directed: bool = False
) -> Answer:
    """Return A^n, whose entry (u, v) counts the walks of n steps from u to v, and those of one pair listed.

    Args:
        spec: a name such as ``star:7``, or the path of an edge list.
        length: n.
        start: first node of the walks that are listed; none are when None.
        end: their last node; ``start`` when None.
        directed: a line of the file is an arc.
    """
    graph = open_graph(spec, directed=directed)
    if end is not None and start is None:
        raise InputError(f"expected a start with the end {end}, found none; give --start")
    counts = power(graph, length)
    total = counts.sum().item()
    weighted = "" if graph.weights is None else ", each counting the product of its weights"
    lines = [repr(graph), f"walks of length {length}, all pairs of nodes{weighted}: {total}"]
    extra: dict[str, Any] = {"length": length}
    if graph.n <= PRINTED:
        lines += [f"A^{length}", str(counts.tolist())]
        extra["power"] = counts.tolist()
    rows: list[dict[str, Any]] = []
    table = [["walk"]]
    if start is not None:
        finish = start if end is None else end
        found = walks(graph, length, start, finish)
        written = [" ".join(map(str, walk)) for walk in found]
        lines += [f"{len(found)} walk{'' if len(found) == 1 else 's'} from {start} to {finish}", *written]
        rows = [{"walk": list(walk)} for walk in found]
        table += [[walk] for walk in written]
    given = {"length": length, "start": start, "end": end}
    flags = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    command = _command("walks", spec, directed) + flags
    return Answer(command, graph, rows, "\n".join(lines), table, lines[1:4], extra)


def check(spec: str, *, seed: int = 0, directed: bool = False) -> Answer:
    """Return every identity measured on one graph.

    Args:
        spec: a name such as ``star:7``, or the path of an edge list.
        seed: of features, weights and renamings.
        directed: a line of the file is an arc.
    """
    graph = open_graph(spec, directed=directed)
    if graph.n > 2_000:
        raise InputError(f"expected at most 2,000 nodes to check node by node, found {graph.n:,}; choose a smaller graph")
    check_positive(graph)
    found = check_all(graph, seed=seed)
    table = [["claim", "difference found", "has to be", "holds", "how"]]
    table += [[f.claim, f"{f.difference:.1e}", f.meant, "yes" if f.holds else "NO", f.detail] for f in found]
    held = sum(f.holds for f in found)
    note = f"{held} of {len(found)} claims hold on {graph.name}; differences are the largest found, in float64."
    command = _command("check", spec, directed) + f" --seed {seed}"
    rows = [_row(f) for f in found]
    return Answer(command, graph, rows, "\n".join([repr(graph), *aligned(table, right=False), note]), table, [note])


def _row(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"holds": finding.holds}


def _listed(nodes: list[int]) -> str:
    return ", ".join(map(str, nodes[:30])) + (", ..." if len(nodes) > 30 else "")


def _command(verb: str, spec: str, directed: bool) -> str:
    return f"coldframe graph {verb} {shlex.quote(spec)}" + (" --directed" if directed else "")
