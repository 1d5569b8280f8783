"""Axes that say plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator


def logarithmic(axes: Any, which: str, values: Sequence[float], room: float) -> None:
    """Give one axis a logarithmic scale with plain numbers at 1, 2 and 5 times powers of ten.

    Args:
        axes: of matplotlib.
        which: ``"x"`` or ``"y"``.
        values: what is shown, all above 0.
        room: the ends are the smallest value divided, and the largest multiplied, by this.
    """
    low, high = min(values) / room, max(values) * room
    places = [m * 10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)]
    shown = [place for place in places if low <= place <= high]
    if len(shown) > 8:
        shown = [place for place in shown if f"{place:.0e}"[0] == "1"]
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
