"""Numbers as a person reads them: no more digits than they mean, and a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldframe.registry import METHODS, resolve

DASH = "-"
"""What stands where nothing was measured."""

_FRACTIONS = (
    (1000, "a thousandth"),
    (500, "a five-hundredth"),
    (200, "a two-hundredth"),
    (100, "a hundredth"),
    (50, "a fiftieth"),
    (20, "a twentieth"),
    (10, "a tenth"),
    (5, "a fifth"),
    (3, "a third"),
    (2, "half"),
)


def percent(value: float | None, half: float | None = None) -> str:
    """Return a fraction as points of a hundred: ``93.7 ± 0.4``; the interval only where there is a spread."""
    if value is None:
        return DASH
    return f"{100 * value:.1f}" if not half else f"{100 * value:.1f} ± {100 * half:.1f}"


def points(value: float) -> str:
    """Return a difference of fractions in points with its sign: ``-1.3``.

    What is near zero keeps a second digit, ``+0.03``, so that the end of an interval shows its side.
    """
    text = f"{100 * value:+.1f}"
    if text in ("+0.0", "-0.0"):
        text = f"{100 * value:+.2f}"
    return "0.0" if text in ("+0.00", "-0.00") else text


def decimal(value: float | None) -> str:
    """Return a fraction in two decimals without the leading zero: ``.02``."""
    if value is None:
        return DASH
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0") else text


def thousandths(value: float | None) -> str:
    """Return a fraction in three decimals without the leading zero: ``.021``."""
    if value is None:
        return DASH
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0") else text


def plain_number(value: float | None) -> str:
    """Return a number in two decimals, three below 0.1: ``1.32``, ``0.042``."""
    return DASH if value is None else f"{value:.2f}" if value >= 0.0995 or value == 0 else f"{value:.3f}"


def seconds(value: float | None) -> str:
    """Return a duration: ``0.3 s``, ``42 s``, ``4 min``, ``1 h 10 min``; a dash for none at all."""
    if not value:
        return DASH
    if value < 0.1:
        return f"{value * 1e3:.0f} ms" if value >= 0.001 else "< 1 ms"
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 99.5:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def milliseconds(value: float | None) -> str:
    """Return a latency given in ms: ``24 ms``, ``0.13 ms``."""
    if value is None:
        return DASH
    return f"{value:,.0f} ms" if value >= 9.95 else f"{value:.2g} ms"


def size(value: float | None) -> str:
    """Return a number of bytes: ``11 kB``, ``351 MB``, ``1.4 GB`` (powers of 1000)."""
    if value is None:
        return DASH
    if value < 999.5:
        return f"{value:.0f} B" if value else "0"
    units = ["kB", "MB", "GB", "TB"]
    value /= 1000
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    unit = units[0]
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "kB" else f"{value:.0f} {unit}"


def megabytes(value: float | None) -> str:
    """Return an amount given in MB: ``420 MB``, ``1.4 GB``."""
    return size(None if value is None else value * 1e6)


def count(value: float | None) -> str:
    """Return a whole number: ``2,565`` in full below a million, ``87.8 M`` above."""
    if value is None:
        return DASH
    if value < 999_950:
        return f"{round(value):,}"
    return f"{value / 1e6:.1f} M" if value < 999_950_000 else f"{value / 1e9:.1f} G"


def fraction(ratio: float) -> str:
    """Return words for at most 1/ratio: ``a fiftieth`` for 50 to 99; empty below 2. The words never overstate.

    Example:
        >>> fraction(1700)
        'a thousandth'
    """
    return next((words for limit, words in _FRACTIONS if ratio >= limit), "")


def joined(names: list[str]) -> str:
    """Return ``a``, ``a and b``, or ``a, b and c``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""


TRANSDUCTIVE = "transductive"
"""What stands behind the name of a method that saw unlabelled images."""


def spoken(method: str) -> str:
    """Return a method's name as people say it, settings behind it as they are: ``linear probe`` for ``linear-probe``."""
    return _said(method, "spoken")


def subject(method: str) -> str:
    """Return what a sentence calls a method: ``the linear probe``, ``fine-tuning``."""
    return _said(method, "subject") if _told(method.partition(" (")[0], "subject") else spoken(method)


def colour(method: str) -> int | None:
    """Return a method's own place in the palette of figures; None where it has none."""
    place: int | None = _told(method, "colour")
    return place


def _said(method: str, what: str) -> str:
    name, bracket, settings = method.partition(" (")
    return (_told(name, what) or name.replace("-", " ")) + bracket + settings


def _told(name: str, what: str) -> Any:
    """Return what the class of a method says of itself; None for a name that the registry does not know."""
    return getattr(resolve(METHODS, name, "method"), what) if name in METHODS else None


def started(text: str) -> str:
    """Return the text with a capital, to start a sentence."""
    return text[:1].upper() + text[1:]


def span(low: float | None, high: float | None) -> str:
    """Return an interval of fractions in points: ``90.7 to 95.8``."""
    return DASH if low is None or high is None else f"{percent(low)} to {percent(high)}"


def margin(value: float) -> str:
    """Return a difference of fractions that does not matter: ``1 point``, ``0.5 points``."""
    return "1 point" if round(100 * value, 6) == 1 else f"{100 * value:g} points"


def about(value: float) -> str:
    """Return a number known only roughly, two digits of it: ``1,300``."""
    digits = max(0, len(str(round(value))) - 2)
    return f"{round(value, -digits):,.0f}"


def handed_over(handed: Mapping[str, Any], out: str = "") -> list[str]:
    """Return the lines that say where the recommended model lies and how to go on; none where nothing was handed over.

    Args:
        handed: of :class:`coldframe.results.results.Results`.
        out: the comparison's folder, where the reader may stand elsewhere.
    """
    if not handed:
        return []
    where = f"{out}/{handed['folder']}" if out else f"{handed['folder']}/"
    how = "refitted on train and validation images together" if handed["refit"] else "as it was measured"
    told = f"model: {where} ({spoken(handed['method'])}, {how}"
    if handed["refit"]:
        what = "mAP on" if handed.get("measure") == "map" else "of"
        told += f"; {handed['top1']:.1%} {what} the test images, {handed['measured_top1']:.1%} before the refit"
    return [f"{told})", f"classify new photos with: {handed['next'][0]}"]
