"""Where an axis of percent starts and ends."""

from __future__ import annotations


def percent_limits(low: float, high: float, n: int | None = None) -> tuple[float, float]:
    """Return the ends of an axis of percent, at least 10 points apart, or 10 images of n: one image is never a collapse.

    Args:
        low: the smallest value to be shown.
        high: the largest.
        n: images that the percent are of; None where not known.
    """
    missing = max(10.0, 1000 / n if n else 10.0) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    if high > 104:
        low, high = low - (high - 104), 104.0
    return max(low, -4.0), min(max(high, min(104.0, low + 10)), 104.0)
