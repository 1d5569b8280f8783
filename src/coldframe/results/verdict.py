"""What to ship, because of what, and how sure: short sentences, drawn only from intervals and costs.

The rule is that of :func:`coldframe.measures.decide`: accuracy first, within a margin that matters in practice; among methods
that are equivalent within it the cheaper to serve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from coldframe.measures.decision import Candidate, Decision, decide
from coldframe.measures.pairing import Difference, images_to_decide
from coldframe.results import disturbed, wording
from coldframe.results.rows import Group, Key, groups

if TYPE_CHECKING:
    from coldframe.results.parts import Comparison
    from coldframe.results.results import Results

_NOT_READY = ": no method is surely better than that, so none is ready to ship."
MOST_IMAGES = 100_000
"""Above so many test images the sentence says no number."""


def cost(group: Group) -> tuple[float, float]:
    """Return (training seconds, trained parameters); nothing to train costs nothing, an unknown time counts as endless."""
    seconds, numbers = group.mean("train_seconds"), group.mean("trainable_parameters") or 0.0
    return (math.inf if numbers else 0.0) if seconds is None else seconds, numbers


def decision(table: Results, among: list[Group] | None = None) -> Decision[Key] | None:
    """Return what to ship by the table's margin; None without accuracies."""
    lines = _scored(table.groups() if among is None else among)
    if not lines:
        return None

    def interval(a: Key, b: Key) -> tuple[float, float] | None:
        found = table.compared(a, b)
        return None if found is None else (found.low, found.high)

    return decide([_candidate(group) for group in lines], interval, margin=table.about.margin)


def recommended(table: Results, among: list[Group] | None = None) -> Group | None:
    """Return the line to ship; None without accuracies."""
    found = decision(table, among)
    return None if found is None else next(group for group in table.groups() if group.key == found.pick)


def verdict(table: Results) -> str:
    """Return what the numbers allow to say, as one paragraph; one for each data set where there are several."""
    labelled = _scored(groups(table.rows))
    if not labelled:
        return "No accuracy was measured, so there is nothing to choose by."
    data = list(dict.fromkeys(group.data for group in labelled))
    said = []
    for name in data:
        lines = [group for group in labelled if group.data == name]
        where = f"On {name}: " if len(data) > 1 else ""
        under = disturbed.noise(lines), disturbed.attack(lines, table.about.attack)
        choice, chance = _choice(table, lines), _chance(table, lines)
        if chance.endswith(_NOT_READY):  # the first thing to know
            tested = int(lines[0].rows[0].get("n") or 0)
            more = "" if "--folds" in choice else _more(table, tested, {group.key: group for group in lines})
            choice, chance = chance, choice.replace("Ship ", "The first would be ", 1) + more
        said.append(where + " ".join(part for part in (choice, chance, _trust(table, lines), *under) if part))
    return " ".join(part for part in (*said, _seeds(labelled), table.about.choices) if part)


def _scored(lines: list[Group]) -> list[Group]:
    """Return the lines with an accuracy; of those that were measured on several splits, the first split alone.

    A transductive line stands back where there are others: it saw the test images, and is not measured as they are.
    """
    first = {group.key: group for group in reversed(lines) if group.mean(group.main) is not None}
    found = [group for group in lines if first.get(group.key) is group]
    return [group for group in found if f"({wording.TRANSDUCTIVE}" not in group.method] or found


def _candidate(group: Group) -> Candidate[Key]:
    return Candidate(
        group.key,
        group.mean(group.main) or 0.0,
        group.mean("latency_ms"),
        group.mean("stored_bytes"),
        group.mean("train_seconds"),
    )


def _names(lines: list[Group]) -> str:
    return wording.joined([group.subject for group in lines])


def _interval(found: Comparison) -> str:
    low, high = wording.points(found.low), wording.points(found.high)
    return f"paired difference {wording.points(found.difference)}, 95% interval {low} to {high}"


def _score(group: Group) -> str:
    mean, half = group.mean(group.main), group.half(group.main)
    return f"{wording.percent(mean, half)}% {'mAP' if group.main == 'map' else 'top-1'}"


def _choice(table: Results, lines: list[Group]) -> str:
    """Return the three sentences: what to ship, because of what, how sure."""
    found = decision(table, lines)
    assert found is not None, "lines have accuracies"
    by_key = {group.key: group for group in lines}
    pick = by_key[found.pick]
    name = wording.started(pick.subject)
    if len(lines) == 1:
        over = pick.over_images()
        ends = (None if over is None else (over.low, over.high)) if pick.main == "top1" else pick.ends(pick.main)
        known = "" if ends is None else f" (95% interval over images {wording.span(*ends)})"
        return f"{name} reaches {_score(pick)}{known}; no other method was run, so nothing is compared."
    if len(found.named("untested")) == len(lines) - 1:
        return f"{name} scores highest, {_score(pick)}; differences were not tested on the same images."
    margin = wording.margin(found.margin)
    ship = f"Ship {pick.subject}: {_score(pick)}."
    return " ".join((ship, _because(table, found, by_key), _sure(table, found, by_key, margin)))


def _because(table: Results, found: Decision[Key], lines: dict[Key, Group]) -> str:
    pick, best, margin = lines[found.pick], lines[found.best], wording.margin(found.margin)
    equal = [lines[name] for name in found.named("equivalent")]
    open_ = [lines[name] for name in (*found.named("undecided"), *found.named("untested"))]
    if pick is not best:
        compared = table.compared(pick.key, best.key)
        assert compared is not None, "a line other than the best is recommended only by its comparison"
        saves = {
            "latency": f"answers in {_both(pick, best, 'latency_ms', wording.milliseconds)}",
            "size": f"takes {_both(pick, best, 'stored_bytes', wording.size)} on disk",
            "training": f"trains in {_both(pick, best, 'train_seconds', wording.seconds)}",
            "accuracy": "costs no more",
        }[found.reason]
        equals = f"It equals {best.subject}, the highest at {_score(best)}, within {margin}"
        return f"{equals} ({_interval(compared)}) and {saves}."
    if open_:
        first = "It has the highest mean, and that alone recommends it"
        return f"{first}: {_names(open_)} may be as good or better."
    if equal:
        return f"It is the most accurate, and {_names(equal)}, equal within {margin}, {_would(equal)} no cheaper to serve."
    others = [(lines[name], c) for name in found.named("worse") if (c := table.compared(best.key, name)) is not None]
    nearest, compared = min(others, key=lambda pair: pair[1].difference)
    scope = "every other method" if len(others) > 1 else nearest.subject
    which = f"the nearest is {nearest.subject}, " if len(others) > 1 else ""
    return f"It is ahead of {scope} by more than {margin} ({which}{_interval(compared)})."


def _would(lines: list[Group]) -> str:
    return "is" if len(lines) == 1 else "are"


def _both(pick: Group, best: Group, field: str, say: Callable[[float | None], str]) -> str:
    return f"{say(pick.mean(field))} against {say(best.mean(field))}"


def _sure(table: Results, found: Decision[Key], lines: dict[Key, Group], margin: str) -> str:
    """Say how sure the recommendation is, and what would decide what is open."""
    known = [c for name in lines if name != found.best and (c := table.compared(name, found.best)) is not None]
    seeds = max(c.seeds for c in known)
    on = f"{known[0].n:,} test images" + (f" and {seeds} seeds" if seeds > 1 else "")
    if found.sure:
        return f"Sure: on {on} no other method can be better by more than {margin} (95% intervals)."
    open_ = [c for name in found.named("undecided") if (c := table.compared(name, found.best)) is not None]
    if not open_:
        return f"Not sure: {_names([lines[name] for name in found.named('untested')])} were measured on other images or seeds."
    needed = {c.a: _needed(c, found.margin) for c in open_}
    nearest = min(open_, key=lambda c: abs(c.difference))
    closest = f"{lines[nearest.a].subject} ({_interval(nearest)})"
    return f"Not sure, on {on}: {_decides(needed[nearest.a], closest, seeds)}.{_more(table, known[0].n, lines)}"


def _more(table: Results, n: int, lines: dict[Key, Group]) -> str:
    """Say how to test on more of the images that have labels."""
    parts = (table.about.train, table.about.val, table.about.test)
    labelled = sum(part for part in parts if isinstance(part, int))
    folded = any(row.get("images_in_all") for group in lines.values() for row in group.rows)
    if folded or labelled <= n or len({group.data for group in table.groups()}) > 1:
        return ""
    return " With --folds 5 every labelled image is a test image once."


def _needed(found: Comparison, margin: float) -> float:
    values = Difference(
        found.difference, found.low, found.high, found.n, found.seeds, found.image_variance, found.seed_variance
    )
    needed = images_to_decide(values, margin)
    if needed > found.n:
        return needed
    return math.inf if found.seeds > 1 else found.n + 1.0  # the images would do: few seeds keep it open


def _decides(needed: float, rival: str, seeds: int) -> str:
    if math.isinf(needed):
        if seeds > 1:
            return f"more test images would not decide between it and {rival}; more seeds would"
        return f"no number of test images would decide between it and {rival}: the difference is too small"
    if needed > MOST_IMAGES:
        return f"more than {MOST_IMAGES:,} would be needed to decide between it and {rival}"
    return f"about {wording.about(needed)} would decide between it and {rival}"


def _chance(table: Results, lines: list[Group]) -> str:
    """Say what guessing gives: one class of K, and always the most frequent class; and whether the best beats it."""
    detail = next((d for d in table.details if d.data == lines[0].data and d.confusion), None)
    if detail is None or not detail.confusion:
        return ""
    counts = [sum(row) for row in detail.confusion]
    chance, largest = 1 / len(counts), max(counts) / max(1, sum(counts))
    text = f"Guessing gives {wording.percent(chance)}%, always naming the largest class {wording.percent(largest)}%"
    top = max(lines, key=lambda group: group.mean("top1") or 0.0).over_images()
    if top is not None and top.low is not None and top.low <= max(chance, largest):
        return f"{text}{_NOT_READY}"
    return f"{text}."


def _trust(table: Results, lines: list[Group]) -> str:
    """Say whether the recommended line's confidence can be believed, and which class is worst."""
    pick = recommended(table, lines)
    after = None if pick is None else pick.mean("ece_scaled")
    if pick is None or after is None:
        return ""
    before, size, held = (pick.mean(name) for name in ("ece", "lac_size", "lac_coverage"))
    said = f"Its confidence is off by {wording.points(after).lstrip('+')} points on average (ECE)"
    if before is not None and pick.mean("temperature") != 1:
        said += f" after temperature scaling ({wording.points(before).lstrip('+')} before)"
    if size is not None and held is not None:
        said += f"; sets of {size:.1f} classes hold the true one in {wording.percent(held)}% of cases (asked: 90%)"
    worst, names = pick.mean("worst_class"), {str(row.get("worst_class_name") or "") for row in pick.rows}
    if worst is not None and len(names) == 1 and "" not in names:
        said += f". Worst class: {names.pop()}, {wording.percent(worst)}%"
    return f"{said}."


def _seeds(lines: list[Group]) -> str:
    """Say where intervals speak of the images only."""
    learned = [group for group in lines if cost(group) != (0.0, 0.0)]
    single = [group for group in learned if len(group.rows) == 1]
    if single and len(single) == len(learned):
        return "There was one seed: intervals cover the images only, not how much another run would differ."
    return f"Seeds were not repeated for {_names(single)}." if single else ""
