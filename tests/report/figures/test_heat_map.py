"""Heat maps: a cell of each pair, what is missing, what the cells have to beat."""

from __future__ import annotations

from drawn import unchanged

from coldframe.report.figures.heat_map import Panel, heat_map


def test_cells_shades_and_the_row_below_are_drawn_as_they_were() -> None:
    whole = {("1", "a"): 0.5, ("1", "b"): 0.625, ("2", "a"): 0.75, ("2", "b"): None, ("3", "a"): 0.9, ("3", "b"): 1.0}
    panels = [Panel("flowers", "lr=1", whole), Panel("flowers", "lr=2", {("1", "a"): 0.6})]
    panels.append(Panel("birds", "lr=1", {("1", "a"): 0.2}))
    unchanged(__file__, "heat_map", heat_map(panels, "prompt+size", "kind", {"flowers": ("zero-shot", 0.55)}))
    unchanged(__file__, "heat_map_empty", heat_map([Panel("", "", {("1", "a"): None})], "rows", "columns"))
