"""``graph show|walks|check`` as functions: text, results, files."""

from __future__ import annotations

import json
from ast import literal_eval
from pathlib import Path

import pytest

from coldframe.errors import InputError
from coldframe.foundations.graphs import answers


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
