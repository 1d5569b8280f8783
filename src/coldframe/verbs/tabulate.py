"""The table of a comparison: the rows of its cases, what they were measured on, and the pictures of the recommended method."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from coldframe import measures
from coldframe.cold import ColdPass
from coldframe.evaluation.copies import copied
from coldframe.evaluation.copies import said as said_of_copies
from coldframe.measures import hardware
from coldframe.measures.tags import map_difference
from coldframe.methods.folds import Rule
from coldframe.report import Detail, Table, recommended
from coldframe.results.parts import Comparison, training_curves
from coldframe.results.rows import short
from coldframe.verbs.case import Case
from coldframe.verbs.pictures import hardest, prompts, wrong
from coldframe.verbs.rule import said
from coldframe.verbs.watch import circumstances


def tabulate(
    cases: Sequence[Case], command: str, device: str, cold: ColdPass, margin: float, choose: Rule, *, whole: bool
) -> Table:
    """Return the table of what was measured: rows, circumstances, pairs of methods, notes and pictures.

    Args:
        cases: one a model, each with a row at least.
        command: the way to run it again.
        device: where it ran.
        cold: the pass that all shared.
        margin: the difference in top-1 that does not matter in practice.
        choose: the rule by which settings were chosen.
        whole: whether every method had every seed; else those with fewer are paired by what the fewest have.
    """
    first = cases[0]
    data, one = first.datasets[0], len(cases) == 1
    fingerprint = measures.machine(device)
    seeds = len(first.datasets)
    paired = seeds if whole else min(len(found) for case in cases for found in case.probabilities.values())
    about = circumstances(
        data,
        {
            name if one else f"{name} on {case.backbone.name}": method
            for case in cases
            for name, method in case.fitted.items()
        },
        [case.backbone for case in cases],
        data=short(first.spec),
        train=len(data.train),
        val=len(data.val),
        test=len(first.tested()),
        classes=data.classes,
        device=f"{fingerprint['device']}, {hardware.threads(fingerprint)}",
        precision=str(first.backbone.dtype).removeprefix("torch."),
        splits=data.origin + (f"; the other seeds to {seeds - 1} draw theirs the same way" * (seeds > 1 and not first.folds)),
        choices=said(choose, {row["method"]: row.get("chosen_by") for case in cases for row in case.rows}, seeds),
        cold="; ".join(_cold_words(case) for case in cases),
        margin=margin,
    )
    table = Table(command=command, machine=fingerprint, about=about)
    for case in cases:
        for row in case.rows:
            table.add(row)
        for name, probabilities in case.probabilities.items():
            if len(probabilities) < paired or case.tested().tags is not None:
                continue  # rows stand in the table, but nothing can be paired with the other methods
            several = case.answers(name)[:paired]
            curves = [*training_curves(case.fitted[name].history), *case.robustness.get(name, [])]
            table.details.append(
                Detail.of(name, several, case.tested().labels, model=case.backbone.name, data=case.spec, curves=curves)
            )
        table.notes += case.skipped + case.cold.notes + case.notes
    if cold.storage == "bf16":
        table.notes.append("activations were stored in bf16, an approximation: results differ a little from fp32")
    if data.skipped:
        table.notes.append(f"unreadable files left out: {len(data.skipped)} ({', '.join(data.skipped[:5])})")
    if first.unknown is not None:
        table.notes += first.unknown.doubts()
    table.pair()
    if data.test.tags is not None:
        table.comparisons = _tag_pairs(cases, paired)
    best = recommended(table)
    for case in cases:
        if data.test.tags is None and best is not None and case.backbone.name == best.model:
            _say_copies(table, case, best.method, cold)
            table.hardest = hardest(case.answers(best.method), case.tested(), case.spec)
            table.wrong = wrong(case.answers(best.method), case.tested(), case.spec)
        for name, method in case.fitted.items():
            table.prompts += prompts(name, method, data)
    return table


def _tag_pairs(cases: Sequence[Case], seeds: int) -> list[Comparison]:
    """Return the paired differences in mAP of every two lines."""
    every = [(case, name) for case in cases for name, found in case.probabilities.items() if len(found) >= seeds]
    pairs = []
    for (first, one), (second, other) in itertools.combinations(every, 2):
        found = map_difference(first.probabilities[one][:seeds], second.probabilities[other][:seeds], first.tested().tags)
        keys = (one, first.backbone.name, first.spec), (other, second.backbone.name, second.spec)
        pairs.append(
            Comparison(*keys, found.value, found.low, found.high, found.n, None, found.seeds, found.image_variance,
                       found.seed_variance)
        )  # fmt: skip
    return pairs


def _say_copies(table: Table, case: Case, method: str, cold: ColdPass) -> None:
    """Say how many test images repeat what was learned from, and what is left without them; folds have one of each."""
    if case.folds:
        return
    right = next((d.correct for d in table.details if d.method == method and d.model == case.backbone.name), None)
    if right is not None and (text := said_of_copies(copied(case.datasets[0], case.backbone, cold), right)):
        table.notes.append(text)


def _cold_words(case: Case) -> str:
    cuts = ", ".join(case.cold.cuts)
    if not case.cold.images:
        return f"{case.backbone.name}: all of {case.cold.reused:,} images were in the store already (cuts {cuts})"
    return (
        f"{case.backbone.name}: {case.cold.images:,} images in {case.cold.seconds:.1f} s, "
        f"{case.cold.bytes / 1e6:,.0f} MB stored (cuts {cuts})"
    )
