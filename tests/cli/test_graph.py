"""``coldframe graph``: what the three sub-commands print and write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coldframe.cli import main


def run(*argv: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["graph", *argv])
    assert not caught.value.code


def test_show_prints_the_cycle_of_the_exercise(capsys: pytest.CaptureFixture[str]) -> None:
    run("show", "cycle:6")
    assert "[[0, 1, 0, 0, 0, 1], [1, 0, 1, 0, 0, 0]," in capsys.readouterr().out


def test_walks_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    run("walks", "path:3", "--length", "2", "--start", "0", "--end", "2", "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == [{"walk": [0, 1, 2]}]


def test_check_of_a_file_writes_a_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("0,1\n1,2\n2,0\n3,3\n")
    run("check", str(tmp_path / "edges.csv"), "--directed", "--out", str(tmp_path / "out"))
    assert "10 of 10 claims hold" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").is_file()


def test_bad_input_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["graph", "show", "whel:7"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "coldframe: unknown graph 'whel'; did you mean 'wheel'?\n"
