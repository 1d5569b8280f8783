"""The recipe's defaults and constants are those that the shipped weights were made with."""

from __future__ import annotations

from defaults import unmoved


def test_no_default_has_moved() -> None:
    unmoved(__file__, "coldframe.recipes")
