"""Two or three sentences, drawn only from intervals and costs, and never stronger than they are.

The recommendation is the cheapest line whose paired interval to the best one includes 0; cost is training seconds, then
trained parameters. An interval that includes 0 is said to be just that: it does not show that two methods are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from coldframe.results import wording
from coldframe.results.rows import Group, groups
from coldframe.types import Row

if TYPE_CHECKING:
    from coldframe.results.parts import Comparison
    from coldframe.results.results import Results

FEW = 200
"""Below this many test images the sentence says how little they can tell."""
FALLEN = 0.05
"""Where no method keeps more than this share of its right answers under attack, none is called easier to fool."""
WIDE = 0.05
"""An interval wider than this on either side is called wide."""


def cost(group: Group) -> tuple[float, float]:
    """Return (training seconds, trained parameters); nothing to train costs nothing, an unknown time counts as endless."""
    seconds, numbers = group.mean("train_seconds"), group.mean("trainable_parameters") or 0.0
    return (math.inf if numbers else 0.0) if seconds is None else seconds, numbers


def recommended(table: Results, among: list[Group] | None = None) -> Group | None:
    """Return the cheapest line whose paired interval to the best one includes 0; None without accuracies."""
    lines = [group for group in (table.groups() if among is None else among) if group.mean("top1") is not None]
    if not lines:
        return None
    top = _best(lines)
    return min((group for group in lines if group is top or _within(table, group, top)), key=cost)


def verdict(table: Results) -> str:
    """Return what the numbers allow to say, as one paragraph; one for each data set where there are several."""
    labelled = [group for group in groups(table.rows) if group.mean("top1") is not None]
    if not labelled:
        return "No accuracy was measured, so there is nothing to choose by."
    data = list(dict.fromkeys(group.data for group in labelled))
    said = []
    for name in data:
        lines = [group for group in labelled if group.data == name]
        where = f"On {name}: " if len(data) > 1 else ""
        said.append(where + " ".join(part for part in (_choice(table, lines), _noise(lines), _attack(table, lines)) if part))
    return " ".join(part for part in (*said, _caution(table, labelled), table.about.choices) if part)


def _best(lines: list[Group]) -> Group:
    """Return the line of the highest top-1; among equals the cheapest."""
    return min(lines, key=lambda group: (-(group.mean("top1") or 0.0), *cost(group)))


def _within(table: Results, group: Group, top: Group) -> bool:
    found = table.compared(group.key, top.key)
    return found is not None and found.low <= 0 <= found.high


def _the(label: str) -> str:
    """Return a label with its article where it is a thing rather than an activity."""
    name, dot, rest = label.partition(" · ")
    if name.endswith(("probe", "prompt", "adapter", "cache", "head", "ensemble")):
        name = f"the {name}"
    return name.replace("fine-tune", "fine-tuning") + dot + rest


def _names(lines: list[Group]) -> str:
    return wording.joined([_the(group.label) for group in lines])


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _interval(found: Comparison) -> str:
    if found.low == found.high == 0:
        return f"the same {found.n:,} answers right and wrong"
    low, high = wording.points(found.low), wording.points(found.high)
    return f"paired difference {wording.points(found.difference)}, 95% interval {low} to {high}"


def _score(group: Group) -> str:
    mean, half = group.mean("top1"), group.half("top1")
    return f"{wording.percent(mean, half)}% top-1"


def _choice(table: Results, lines: list[Group]) -> str:
    top = _best(lines)
    if len(lines) == 1:
        return f"{_start(_the(top.label))} reaches {_score(top)}; no other method was run, so nothing is compared."
    pick = recommended(table, lines) or top
    others = [group for group in lines if group is not top]
    if pick is not top:
        found = table.compared(pick.key, top.key)
        assert found is not None, "a line other than the best is recommended only by its comparison"
        also = [g for g in others if g is not pick and _within(table, g, top)]
        first = (
            f"{_start(_the(pick.label))} is within the interval of {_the(top.label)}, the highest at {_score(top)} "
            f"({_interval(found)}){_at(pick, top)}."
        )
        if not also:
            return first
        return f"{first} So {'is' if len(also) == 1 else 'are'} {_names(also)}, at a higher cost."
    compared = [(group, found) for group in others if (found := table.compared(top.key, group.key)) is not None]
    if not compared:
        return f"{_start(_the(top.label))} scores highest, {_score(top)}; differences were not tested on the same images."
    close = [group for group, found in compared if found.low <= 0]
    if close:
        cheap = " and is the cheapest of them" if all(cost(top) < cost(group) for group in close) else ""
        lead = f"the interval of its lead over {_names(close)} includes 0"
        return f"{_start(_the(top.label))} scores highest, {_score(top)}{cheap}; {lead}."
    nearest, found = min(compared, key=lambda pair: pair[1].difference)
    scope = "every other method" if len(others) > 1 else _the(nearest.label)
    if len(compared) < len(others):
        scope = f"{_names([group for group, _ in compared])}, the only one it was tested against,"
        if len(compared) > 1:
            scope = f"each of the {len(compared)} methods it was tested against"
    which = f"; the nearest is {_the(nearest.label)}" if len(compared) > 1 else ""
    return f"{_start(_the(top.label))} is ahead of {scope} at {_score(top)}{which} ({_interval(found)}){_price(top, nearest)}."


def _at(pick: Group, top: Group) -> str:
    """Return what the recommended line saves against the best one."""
    (mine, my_numbers), (its, its_numbers) = cost(pick), cost(top)
    if math.isinf(its) or math.isinf(mine):
        return ""
    if mine == 0 and its > 0:
        return f" and trains nothing, against {wording.seconds(its)}"
    ratio = wording.fraction(its / mine) if mine else ""
    if ratio:
        return f" at {ratio} of the training time or less ({wording.seconds(mine)} against {wording.seconds(its)})"
    if its > mine and wording.seconds(mine) != wording.seconds(its):
        return f" and trains in {wording.seconds(mine)} against {wording.seconds(its)}"
    if its_numbers > my_numbers:
        return f" with {wording.count(my_numbers)} trained numbers against {wording.count(its_numbers)}"
    return " at the same cost"


def _price(top: Group, nearest: Group) -> str:
    """Return what the lead costs against the nearest rival."""
    mine, its = cost(top)[0], cost(nearest)[0]
    if math.isinf(mine) or math.isinf(its):
        return ""
    if mine == 0:
        return ", and trains nothing"
    if its == 0:
        return f", for {wording.seconds(mine)} of training where the other needs none"
    if mine >= 2 * its:
        return f", for {wording.seconds(mine)} of training against {wording.seconds(its)}"
    return f", and trains in {wording.seconds(mine)} against {wording.seconds(its)}" if its >= 2 * mine else ""


def _noise(lines: list[Group]) -> str:
    """Say who holds best under noise only where the lead over the second is larger than chance."""
    first = _first(lines, "noise_top1", lambda row: row.get("noise_n") or row.get("n") or 0)
    if first is None:
        return ""
    top, rival, clear = first
    score = wording.percent(top.mean("noise_top1"))
    if not clear:
        return f"Under noise no method stands clearly ahead ({_the(top.label)} is highest, {score}%)."
    scores = f"{score}% against {wording.percent(rival.mean('noise_top1'))}% for {_the(rival.label)}"
    return f"Under noise {_the(top.label)} holds best ({scores})."


def _attack(table: Results, lines: list[Group]) -> str:
    """Say who loses most of the right answers to an attack, only where it loses more than the second by more than chance."""
    first = _first(lines, "fooled", lambda row: row["attack"]["n"] * row["attack"]["clean_top1"] if row.get("attack") else 0)
    if first is None:
        return ""
    top, rival, clear = first
    left = 1 - min(value for group in lines if (value := group.mean("fooled")) is not None)
    where = f"Under attack ({table.about.attack})" if table.about.attack else "Under attack"
    score = wording.percent(top.mean("fooled"))
    if left <= FALLEN:
        share = f"at most {wording.percent(left)}%" if left else "none"
        return f"{where} no method holds: {share} of the right answers is left."
    if not clear:
        most = f"{_the(top.label)} loses most, {score}% of its right answers"
        return f"{where} no method is clearly the easiest to fool ({most})."
    scores = f"{score}% of its right answers turn wrong, against {wording.percent(rival.mean('fooled'))}%"
    return f"{where} {_the(top.label)} is the easiest to fool ({scores} for {_the(rival.label)})."


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


def _caution(table: Results, lines: list[Group]) -> str:
    """Say what the numbers cannot tell: few images, wide intervals, seeds that were not repeated."""
    said = []
    n = min((int(row["n"]) for group in lines for row in group.rows if row.get("n")), default=0)
    width = max(((c.high - c.low) / 2 for c in table.comparisons), default=0.0)
    if 0 < n < FEW:
        margin = 1.96 * math.sqrt(0.25 / n)
        said.append(f"With {n:,} test images an accuracy is known to about ±{100 * margin:.0f} points only.")
    elif width > WIDE:
        said.append(f"The intervals are wide (up to ±{100 * width:.0f} points): differences below that cannot be seen here.")
    learned = [group for group in lines if cost(group) != (0.0, 0.0)]
    single = [group for group in learned if len(group.rows) == 1]
    if single and len(single) == len(learned):
        said.append("Seeds were not repeated, so how much another run would differ is not known.")
    elif single:
        said.append(f"Seeds were not repeated for {_names(single)}.")
    return " ".join(said)
