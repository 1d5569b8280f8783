"""Heat maps: a cell of each pair, what is missing, what the cells have to beat."""

from __future__ import annotations

import pytest
from drawn import placed, unchanged

from coldframe.report.figures.heat_map import Panel, heat_map


def test_cells_shades_and_the_row_below_are_drawn_as_they_were() -> None:
    whole = {("1", "a"): 0.5, ("1", "b"): 0.625, ("2", "a"): 0.75, ("2", "b"): None, ("3", "a"): 0.9, ("3", "b"): 1.0}
    panels = [Panel("flowers", "lr=1", whole), Panel("flowers", "lr=2", {("1", "a"): 0.6})]
    panels.append(Panel("birds", "lr=1", {("1", "a"): 0.2}))
    unchanged(__file__, "heat_map", heat_map(panels, "prompt+size", "kind", {"flowers": ("zero-shot", 0.55)}))
    unchanged(__file__, "heat_map_empty", heat_map([Panel("", "", {("1", "a"): None})], "rows", "columns"))


def test_panels_and_their_bar_stand_where_they_stood_and_long_titles_are_cut() -> None:
    values = {(row, column): 0.5 for row in "ab" for column in "xyz"}
    figure = heat_map([Panel("flowers " * 9, "lr=1", values), Panel("flowers " * 9, "t" * 60, values)], "rows", "columns")
    placed(__file__, "placed_heat_map", figure)
    titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
    assert [len(line) for line in titles[1].split("\n")] == [42, 42] and titles[0].endswith("\nlr=1")
    narrow = heat_map([Panel("", "t" * 60, {("a", "x"): 0.5, ("a", "y"): 0.25})], "rows", "columns")
    assert len(narrow.axes[0].get_title(loc="left")) == 30 and tuple(narrow.get_size_inches()) == pytest.approx((4.6, 2.02))
    bar = narrow.axes[1].yaxis
    assert bar.get_major_ticks()[0].tick2line.get_markersize() == 2 and bar.get_ticklabels()[0].get_size() == 8


@pytest.mark.parametrize(("value", "white"), [(0.75, False), (0.7501, True)])
def test_letters_turn_white_above_the_middle_of_the_scale(value: float, white: bool) -> None:
    panel = Panel("d", "", {("a", "x"): 0.5, ("a", "y"): 1.0, ("b", "x"): value})
    axes = heat_map([panel], "r", "c", {"d": ("n", value)}).axes[0]
    colours = {text.get_position(): text.get_color() == "white" for text in axes.texts}
    assert colours == {(0, 0): False, (1, 0): True, (0, 1): white, (1, 1): False, (0.5, 2.4): white}
    assert axes.images[0].get_clim() == pytest.approx((30 - 1e-4, 100 + 1e-4), abs=1e-6)
