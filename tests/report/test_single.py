"""The page stands alone and shows text as text."""

from __future__ import annotations

from coldframe.foundations.graphs import named
from coldframe.foundations.graphs.drawing import draw_graph
from coldframe.report.single import page


def test_everything_is_on_the_page_and_escaped() -> None:
    figures = {"graph": ("The 'star'", draw_graph(named("star:4")))}
    html = page("<Title>", [["a", "b"], ["<x>", "1"]], ["A & B"], figures, "coldframe graph")
    assert "&lt;Title&gt;" in html and "&lt;x&gt;" in html and "A &amp; B" in html and "<x>" not in html
    assert html.count("<img") == 1 and "data:image/png;base64,iVBOR" in html and "src=\"http" not in html
