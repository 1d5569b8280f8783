"""What a question's results say: numbers with intervals, claims that they decide, and tables."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coldframe.errors import FileError
from coldframe.files import read_json
from coldframe.measures.significance import interval, wilson
from coldframe.results.assignment import Claim, Finding, Number, Shown

_PART = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
SIGNS = {"percent": "%", "seconds": " s", "ms": " ms", "MiB": " MiB", "plain": "", "fact": "", "value": ""}


def found_at(content: Any, place: str) -> list[tuple[Any, Any]]:
    """Return each value that a place names, with the mapping that holds it.

    Example:
        >>> rows = {"rows": [{"method": "a", "top1": 1.0}, {"method": "b", "top1": 0.5}]}
        >>> [value for value, _ in found_at(rows, "rows[method=b].top1")]
        [0.5]
    """
    reached: list[tuple[Any, Any]] = [(content, None)]
    for key, test in _PART.findall(place):
        following: list[tuple[Any, Any]] = []
        for value, _ in reached:
            if key:
                if isinstance(value, Mapping) and key in value:
                    following.append((value[key], value))
                elif isinstance(value, list):
                    following += [(one[key], one) for one in _rows(value) if isinstance(one, Mapping) and key in one]
            elif test[:1] == '"':
                following += [(value[name], value)] if isinstance(value, Mapping) and (name := test.strip('"')) in value else []
            elif test.isdigit():
                following += [(value[int(test)], value)] if isinstance(value, list) and int(test) < len(value) else []
            elif isinstance(value, list):
                wanted = [part.partition("=")[::2] for part in re.split(r",(?=[\w/]+=)", test)]
                following += [(one, value) for one in _rows(value) if all(_matches(one, name, text) for name, text in wanted)]
        reached = following
    return reached


def _rows(value: Sequence[Any]) -> list[Any]:
    """Return what a list holds without the rows that are means over seeds, which are computed again here."""
    return [one for one in value if not (isinstance(one, Mapping) and isinstance(one.get("seeds"), list))]


def _matches(row: Any, name: str, text: str) -> bool:
    value: Any = row
    for key in name.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return str(value) == text


def finding(number: Number, folder: Path) -> Finding:
    """Read a number from the folder of its question; what is not there is None."""
    content = content_of(folder / number.step, number.file)
    values = [value for value, _ in found_at(content, number.at) if value is not None]
    if not values:
        return Finding(number, None, None, None, "", "not measured", "")
    if number.unit == "percent" and all(isinstance(value, bool) for value in values):
        share = wilson(sum(values), len(values))
        text = f"{sum(values)} of {len(values)}"
        return Finding(number, share.mean, share.low, share.high, f"{len(values)} cases", text, "")
    if number.unit in ("fact", "value") or not all(isinstance(value, int | float) for value in values):
        value = all(values) if number.unit == "fact" else values[0]
        text = ("yes" if value else "NO") if number.unit == "fact" else _plain(value)
        return Finding(number, value, None, None, "", text, "")
    n = number.n or trials(content, number.at)
    value, low, high, over = _measured([float(one) for one in values], n if number.unit == "percent" else 0)
    return Finding(number, value, low, high, over, _written(number, value, low, high), _verdict(number, value, low, high))


def trials(content: Any, place: str) -> int:
    """Return n, the number of images, that stands beside a value or beside what holds it; 0 where nothing says it."""
    parts = _PART.findall(place)
    for length in range(len(parts) - 1, -1, -1):
        above = "".join(f".{key}" if key else f"[{test}]" for key, test in parts[:length])
        for value, _ in found_at(content, above):
            if isinstance(value, Mapping) and isinstance(value.get("n"), int) and value["n"] > 0:
                return int(value["n"])
            if isinstance(value, list) and value and isinstance(value[0], Mapping) and isinstance(value[0].get("n"), int):
                return int(value[0]["n"])
    return 0


def _measured(values: Sequence[float], n: int) -> tuple[float, float | None, float | None, str]:
    """Return the mean and its interval: Student's over seeds where there are several, Wilson's over n images for one."""
    if len(values) > 1:
        several = interval(values)
        low, high = (None, None) if several.half is None else (several.mean - several.half, several.mean + several.half)
        return several.mean, low, high, f"{len(values)} seeds"
    if n:
        around = wilson(values[0] * n, n)
        return values[0], around.low, around.high, f"{n:,} images"
    return values[0], None, None, ""


def _written(number: Number, value: float, low: float | None, high: float | None) -> str:
    if number.unit == "percent":
        text = f"{100 * value:.1f}%"
        # Student's interval knows no bounds, an accuracy does.
        return text if low is None or high is None else f"{text} ({100 * max(0.0, low):.1f} to {100 * min(1.0, high):.1f})"
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.3g}"
    ends = "" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
    return f"{text}{SIGNS[number.unit]}{ends}"


def published_text(number: Number) -> str:
    """Return the published value as text; empty where there is none."""
    if number.published is None:
        return ""
    return f"{100 * number.published:.4g}%" if number.unit == "percent" else f"{number.published:g}{SIGNS[number.unit]}"


def _verdict(number: Number, value: float, low: float | None, high: float | None) -> str:
    if number.published is None:
        return ""
    if low is not None and high is not None and low <= number.published <= high:
        inside = "the published value lies in our interval"
        return f"{inside}, by another way: {number.because}" if number.because else f"agrees: {inside}"
    difference = value - number.published
    size = f"{abs(100 * difference):.1f} points" if number.unit == "percent" else f"{abs(difference):.3g}{SIGNS[number.unit]}"
    return f"{size} {'above' if difference > 0 else 'below'}" + (f": {number.because}" if number.because else "")


def decided(claim: Claim, findings: Mapping[str, Finding]) -> tuple[str, str]:
    """Return what the numbers say of a claim, and what was compared.

    The difference is larger than chance where the two 95% intervals, joined in quadrature, leave out zero.
    """
    more, less = findings[claim.more], findings.get(claim.less)
    if not isinstance(more.value, int | float) or (less is not None and not isinstance(less.value, int | float)):
        return "not measured", ""
    other = less.value if less is not None else claim.than
    difference = float(more.value) - float(other)
    spread = math.hypot(_half(more), 0.0 if less is None else _half(less))
    against = less.shown if less is not None else _plain(claim.than)
    compared = f"{more.shown} against {against}"
    if abs(difference) <= spread:
        return "not decided: within chance", compared
    return ("holds" if difference > 0 else "does not hold"), compared


def _half(found: Finding) -> float:
    return 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2


def table_of(shown: Shown, folder: Path) -> list[list[str]]:
    """Return a head and the lines of a table; empty where there are no rows."""
    pairs = found_at(content_of(folder / shown.step, "results.json"), shown.rows)
    rows: list[Any] = []
    for value, _ in pairs:
        rows += value if isinstance(value, list) else [value]
    lines = [[_cell(row, key) for _, key in shown.columns] for row in _rows(rows)]
    return [[head for head, _ in shown.columns], *lines] if lines else []


def _cell(row: Any, key: str) -> str:
    place, _, unit = key.partition(":")
    values = [value for value, _ in found_at(row, place)]
    if not values or values[0] is None:
        return "-"
    if unit == "percent":
        return f"{100 * float(values[0]):.1f}"
    if unit == "ms":
        return f"{float(values[0]):.1f}"
    return _plain(values[0])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list) and value and all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
        return "\n".join(" ".join(map(str, row)) for row in value)  # a matrix, a row a line
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def content_of(folder: Path, name: str) -> Any:
    """Return the JSON of a file of a step; None where it is not there or not JSON."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        return read_json(path)
    except FileError:
        return None
