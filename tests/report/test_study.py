"""The page stands alone and shows text as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coldframe.foundations.graphs import named
from coldframe.foundations.graphs.drawing import draw_graph
from coldframe.report.study import page, plain_text, write


def test_everything_is_on_the_page_and_escaped() -> None:
    figures = {"graph": ("The 'star'", draw_graph(named("star:4")))}
    html = page("<Title>", [["a", "b"], ["<x>", "1"]], ["A & B"], figures, "coldframe graph")
    assert "&lt;Title&gt;" in html and "&lt;x&gt;" in html and "A &amp; B" in html and "<x>" not in html
    assert html.count("<img") == 1 and "data:image/png;base64,iVBOR" in html and 'src="://' not in html


def test_columns_of_numbers_stand_to_the_right() -> None:
    text = plain_text([["what", "how many"], ["all", "7"], ["none of them", ""]], ["A note."])
    assert text == "what           how many\nall                   7\nnone of them\n\nA note."


class Said:
    command = "coldframe graph show star:4"

    def results(self) -> dict[str, Any]:
        return {"rows": [1]}

    def table(self) -> list[list[str]]:
        return [["what"], ["star"]]

    def notes(self) -> list[str]:
        return []

    def figures(self) -> dict[str, tuple[str, Any]]:
        return {"graph": ("A star.", draw_graph(named("star:4")))}


def test_a_study_becomes_a_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", "A star", Said())
    assert sorted(path.name for path in folder.iterdir()) == ["graph.png", "graph.svg", "report.html", "results.json"]
    assert json.loads((folder / "results.json").read_text()) == {"rows": [1]}
    assert "A star." in (folder / "report.html").read_text() and Said.command in (folder / "report.html").read_text()
