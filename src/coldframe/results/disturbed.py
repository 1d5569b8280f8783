"""Which method holds under noise and under attack: sentences of the verdict, only where a lead is larger than chance."""

from __future__ import annotations

import math
from collections.abc import Callable

from coldframe.results import wording
from coldframe.results.rows import Group
from coldframe.types import Row

FALLEN = 0.05
"""Where no method keeps more than this share of its right answers under attack, none is called easier to fool."""


def noise(lines: list[Group]) -> str:
    """Say who holds best under noise only where the lead over the second is larger than chance."""
    first = _first(lines, "noise_top1", lambda row: row.get("noise_n") or row.get("n") or 0)
    if first is None:
        return ""
    top, rival, clear = first
    score = wording.percent(top.mean("noise_top1"))
    if not clear:
        return f"Under noise no method stands clearly ahead ({top.subject} is highest, {score}%)."
    scores = f"{score}% against {wording.percent(rival.mean('noise_top1'))}% for {rival.subject}"
    return f"Under noise {top.subject} holds best ({scores})."


def attack(lines: list[Group], strength: str = "") -> str:
    """Say who loses most of the right answers to an attack, only where it loses more than the second by more than chance."""
    first = _first(lines, "fooled", lambda row: row["attack"]["n"] * row["attack"]["clean_top1"] if row.get("attack") else 0)
    if first is None:
        return ""
    top, rival, clear = first
    left = 1 - min(value for group in lines if (value := group.mean("fooled")) is not None)
    where = f"Under attack ({strength})" if strength else "Under attack"
    score = wording.percent(top.mean("fooled"))
    if left <= FALLEN:
        share = f"at most {wording.percent(left)}%" if left else "none"
        return f"{where} no method holds: {share} of the right answers is left."
    if not clear:
        most = f"{top.subject} loses most, {score}% of its right answers"
        return f"{where} no method is clearly the easiest to fool ({most})."
    scores = f"{score}% of its right answers turn wrong, against {wording.percent(rival.mean('fooled'))}%"
    return f"{where} {top.subject} is the easiest to fool ({scores} for {rival.subject})."


def _first(lines: list[Group], field: str, counted: Callable[[Row], float]) -> tuple[Group, Group, bool] | None:
    """Return the line of the highest fraction, the second, and whether the lead is larger than chance.

    Args:
        lines: two or more that were measured; None is returned for fewer.
        field: of the rows.
        counted: the number of images that a row's fraction is taken of.
    """
    scored = [(value, group) for group in lines if (value := group.mean(field)) is not None]
    if len(scored) < 2:
        return None
    (first, top), (second, rival) = sorted(scored, key=lambda pair: -pair[0])[:2]
    n = min(counted(group.rows[0]) for group in (top, rival))
    if not n:
        return None
    # Two independent samples: wider than the paired interval that the disturbed runs do not have.
    chance = 1.96 * math.sqrt((first * (1 - first) + second * (1 - second)) / n)
    over_seeds = (top.half(field) or 0.0) + (rival.half(field) or 0.0)
    return top, rival, first - second > max(chance, over_seeds)
