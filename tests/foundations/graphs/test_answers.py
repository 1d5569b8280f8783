"""``graph show|walks|check`` as functions: text, results, files."""

from __future__ import annotations

import json
from ast import literal_eval
from pathlib import Path

import pytest
from drawn import same_text

from coldframe.errors import InputError
from coldframe.foundations.graphs import answers, drawing
from coldframe.foundations.graphs.identities import Finding
from coldframe.report import study as report


def test_show_prints_lists_that_python_reads_back() -> None:
    lines = str(answers.show("wheel:7")).splitlines()
    A, D = literal_eval(lines[2]), literal_eval(lines[4])
    assert A[0] == [0, 1, 1, 1, 1, 1, 1] and [D[v][v] for v in range(7)] == [6, 3, 3, 3, 3, 3, 3]


def test_large_graphs_are_described_and_not_printed() -> None:
    assert "[[" not in str(answers.show("cycle:100"))
    assert len(answers.show("cycle:100").results()["rows"]) == 100


def test_walks_are_counted_and_listed() -> None:
    found = answers.count("cycle:6", length=2, start=0)
    assert found.results()["power"][0] == [2, 0, 1, 0, 1, 0]
    assert [row["walk"] for row in found.results()["rows"]] == [[0, 1, 0], [0, 5, 0]]
    assert "2 walks from 0 to 0" in str(found) and found.command.endswith("--length 2 --start 0")
    with pytest.raises(InputError, match="give --start"):
        answers.count("cycle:6", end=2)


def test_check_holds_and_writes_its_folder(tmp_path: Path) -> None:
    found = answers.check("star:7")
    found.save(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "report.html", "graph.png", "graph.svg"}
    assert "star:7: 7 nodes, 6 edges, undirected<" in (tmp_path / "out" / "report.html").read_text()
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert len(rows) == 11 and all(row["holds"] for row in rows) and "11 of 11 claims hold" in str(found)


def test_what_cannot_be_checked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 2,000 nodes"):
        answers.check("path:2001")
    (tmp_path / "negative.csv").write_text("0,1,-1\n")
    with pytest.raises(InputError, match="expected positive weights"):
        answers.check(str(tmp_path / "negative.csv"))


def test_what_is_said_of_small_graphs_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weighted.csv").write_text("0,1,2\n1,2,0.5\n")
    monkeypatch.chdir(tmp_path)
    found = [
        answers.show("wheel:5"), answers.show("weighted.csv", directed=True), answers.count("weighted.csv"),
        answers.count("path:3", length=1, start=0, end=1), answers.count("cycle:4", start=0),
    ]  # fmt: skip
    claims = [Finding("one", 1e-12), Finding("two", 0.5, equal=False, detail="by hand"), Finding("three", 0.5)]
    monkeypatch.setattr(answers, "check_all", lambda graph, seed: claims)
    found.append(answers.check("star:3", seed=4))
    lines = [part for a in found for part in (a.command, a.text, *map(str, a.table), *a.notes, f"{a.rows}", f"{a.extra}", "")]
    same_text(__file__, "answers", "\n".join(lines))


def test_how_much_is_printed_listed_drawn_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ["adjacency" in answers.show(f"cycle:{n}").results() for n in (40, 41)] == [True, False]
    assert ["power" in answers.count(f"cycle:{n}").results() for n in (40, 41)] == [True, False]
    long = answers.show("path:1001")
    assert (len(long.table), len(long.rows)) == (1 + 1000, 1001)
    hubs = [answers.show(f"star:{n}").table[1][2] for n in (31, 32)]
    assert hubs[0].endswith(", 30") and hubs[1] == f"{hubs[0]}, ..."
    drawn: list[int] = []
    monkeypatch.setattr(drawing, "draw_graph", lambda graph: drawn.append(graph.n))
    monkeypatch.setattr(report, "save_figures", lambda folder, figures: None)
    monkeypatch.setattr(report, "page", lambda *parts: "")
    for n in (500, 501):
        answers.show(f"path:{n}").save(tmp_path)
    assert drawn == [500]
    monkeypatch.setattr(answers, "check_all", lambda graph, seed: [Finding("one", 0.0)])
    assert "1 of 1 claims hold on path:2000" in str(answers.check("path:2000"))
