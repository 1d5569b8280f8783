"""Base to new: what is learned on half of the classes, asked about the other half by their names alone.

The harm of a method that forgets shows here: zero-shot stands beside it on the same halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from coldframe import measures
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Split
from coldframe.errors import InputError
from coldframe.evaluation.row import evaluate
from coldframe.methods.base import Method
from coldframe.methods.zero_shot import ZeroShot
from coldframe.report import Table
from coldframe.results.text_table import aligned
from coldframe.types import Row
from coldframe.verbs.fit import fit_and_evaluate
from coldframe.verbs.hand_over import claim
from coldframe.verbs.watch import Watch, circumstances, command_line, describe_data, describe_model, wanted

LEAST = 4
"""Classes of a data set that can be halved: a choice between two is the smallest there is."""


@dataclass(frozen=True)
class Outcome:
    """Top-1 of one method on the base classes among themselves, and on the new classes among themselves; fractions."""

    method: str
    base: float
    new: float

    @property
    def harmonic_mean(self) -> float:
        """2 base new / (base + new); 0 where both are."""
        return 2 * self.base * self.new / (self.base + self.new) if self.base + self.new else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"method": self.method, "base": self.base, "new": self.new, "harmonic_mean": self.harmonic_mean}


@dataclass(frozen=True)
class Generalisation:
    """The method and zero-shot beside it, with their rows.

    Args:
        outcomes: of the method, then of zero-shot where the method is another.
        rows: of ``results.json``: base and new of each.
    """

    outcomes: tuple[Outcome, ...]
    rows: tuple[Row, ...]

    def lines(self) -> list[str]:
        """Return a table for a terminal."""
        lines = [[o.method, f"{o.base:.2%}", f"{o.new:.2%}", f"{o.harmonic_mean:.2%}"] for o in self.outcomes]
        return aligned([["top-1", "base", "new", "harmonic mean"], *lines])


def halves(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Return the data of the first half of the classes, in label order, and of the second; the middle one goes to the first.

    Raises:
        InputError: there are fewer than four classes.
    """
    if len(dataset.classes) < LEAST:
        found = f"{dataset.spec} with {len(dataset.classes)}"
        raise InputError(f"expected data of {LEAST} classes or more to halve, found {found}; take data of more classes")
    middle = (len(dataset.classes) + 1) // 2

    def part(name: str, start: int, stop: int) -> Dataset:
        train, val, test = (some_classes(split, start, stop) for split in (dataset.train, dataset.val, dataset.test))
        return replace(dataset, spec=f"{dataset.spec} ({stop - start} {name} classes)", train=train, val=val, test=test)

    return part("base", 0, middle), part("new", middle, len(dataset.classes))


def some_classes(split: Split, start: int, stop: int) -> Split:
    """Return the images of classes ``start`` to ``stop - 1``, which become classes 0 and on."""
    rows = np.flatnonzero((split.labels >= start) & (split.labels < stop))
    chosen = split.subset(rows)
    return replace(chosen, labels=chosen.labels - start, classes=split.classes[start:stop])


def base_to_new(
    method: Method,
    dataset: Dataset,
    out: Path | None = None,
    *,
    cold: ColdPass | None = None,
    watch: Watch | None = None,
) -> Generalisation:
    """Fit a method on the first half of the classes, and measure it on the test images of either half.

    Args:
        method: not fitted; one that scores class names, such as a text prompt with one context for all classes.
        dataset: of four classes or more.
        out: folder for the adaptation to the base classes and ``results.json``; an unfinished run there goes on.
        cold: the store.
        watch: told about epochs.

    Returns:
        The outcomes of the method and of zero-shot, each half among its own classes.

    Raises:
        InputError: the method knows classes by their labels alone, or there are too few classes.

    Source:
        Zhou et al., Conditional Prompt Learning for Vision-Language Models (2022), section 4.1. Over 11 data sets, ViT-B/16 and
        16 shots, it gives base, new and harmonic mean 69.34, 74.22, 71.70 for zero-shot and 82.69, 63.22, 71.66 for CoOp.
    """
    base, new = halves(dataset)
    reason = method.labels_alone(base.classes)
    if reason:
        raise InputError(f"expected a method that scores classes by their names for base to new: {reason}")
    method.check_data(base.train, base.val if len(base.val) else None)
    cold, watch = cold or ColdPass(), watch or Watch()
    cold.progress = watch.cold
    backbone, seed = method.backbone, int(method.config().get("seed", 0))
    if out is not None:
        claim(out, method, base)
    watch.start(describe_model(backbone), describe_data([base]))
    done = cold.prepare(backbone, [*base.splits, new.test], wanted([method]))
    watch.cold_done(done)
    watch.fitting(method.name, seed)
    first, _ = fit_and_evaluate(method, base, data=base.spec, seed=seed, cold=cold, watch=watch, folder=out)
    rows = [first | {"cold_seconds": round(done.seconds, 3)}]
    rows.append(evaluate(method.with_classes(new.classes), new.test, data=new.spec, seed=seed, cold=cold).row)
    for half in (base, new) if method.name != ZeroShot.name else ():
        zero = ZeroShot(backbone).for_classes(half.classes)
        rows.append(evaluate(zero, half.test, data=half.spec, cold=cold).row)
    outcomes = tuple(Outcome(a["method"], a["top1"], b["top1"]) for a, b in zip(rows[::2], rows[1::2], strict=True))
    found = Generalisation(outcomes, tuple(rows))
    if out is not None:
        about = circumstances(dataset, {method.name: method}, data=dataset.spec)
        table = Table(rows=rows, command=command_line(), machine=measures.machine(backbone.device), about=about)
        table.notes += [f"{o.method}: harmonic mean of base and new {o.harmonic_mean:.2%}" for o in outcomes]
        table.save(out / "results.json")
    return found
