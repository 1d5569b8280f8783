"""A comparison that ends when its time is up: cheap methods first, settings by successive halving, the rest with its cost.

In order: a few images tell what the cold pass takes, and one that does not fit is refused at once. A few steps tell what each
method takes. Every method that fits is fitted with the first seed, the cheapest first. Then, of methods trained by epochs whose
learning rate nobody set, eight rates are searched by successive halving on the validation images of the first seed. Then come
the other seeds, one after the other. Nothing begins that is not expected to end in time, and training that takes longer than
expected is stopped after an epoch.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.cold.passes import Want
from coldframe.data.base import Dataset, Split
from coldframe.errors import ColdframeError, InputError
from coldframe.methods import Method
from coldframe.methods.folds import FOLDS, settings_for
from coldframe.methods.trained import Trained
from coldframe.results import wording
from coldframe.results.results import Results
from coldframe.results.verdict import recommended
from coldframe.verbs.case import Fits, OutOfTime
from coldframe.verbs.halving import FACTORS, RUNGS, SEARCH, halve, rank_of

UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
TRIED, STEPS = 24, 3
"""Images that tell what the cold pass takes; steps that tell what training takes."""
TIMING = 1.5
"""Seconds that measuring the latency of a method takes, about."""
SLACK = 0.03
"""Share of the budget that is left free for what is not measured."""


def seconds_of(text: str | float) -> float:
    """Return seconds of ``"90s"``, ``"10min"``, ``"2h"``, ``"1h30min"`` or a number.

    Example:
        >>> seconds_of("90s"), seconds_of("10min"), seconds_of("1h30min"), seconds_of(5)
        (90.0, 600.0, 5400.0, 5.0)
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        found = float(text)
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", str(text).strip().lower())
        whole = "".join(number + unit for number, unit in parts)
        if not parts or whole != re.sub(r"\s+", "", str(text).lower()) or any(unit not in UNITS for _, unit in parts):
            raise InputError(f"expected a budget such as 90s, 10min or 2h, found {text!r}")
        found = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not 0 < found < math.inf:
        raise InputError(f"expected a budget above 0, found {text!r}")
    return found


@dataclass
class Budget:
    """The time a comparison may take.

    Args:
        seconds: of the whole.
        clock: gives seconds.
        started: on that clock; now when None.
        held: seconds at the end that belong to what follows the comparison, such as the report.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    started: float | None = None
    held: float = 0.0
    costs: dict[str, float] = field(default_factory=dict)
    """Seconds of one fit of each method: estimated, then measured."""

    def __post_init__(self) -> None:
        self.started = self.clock() if self.started is None else self.started

    @property
    def left(self) -> float:
        """Seconds until what follows has to begin."""
        assert self.started is not None
        return self.started + self.seconds * (1 - SLACK) - self.held - self.clock()

    def part(self, shares: int, held: float = 0.0) -> Budget:
        """Return the budget of one of so many equal shares of what is left; ``held`` seconds of it are for its end."""
        if shares <= 1:
            return replace(self, held=self.held + held, costs={})
        return replace(self, seconds=max(self.left, 0.0) / shares, started=self.clock(), held=held, costs={})

    def check_cold(self, cold: ColdPass, backbone: Backbone, splits: Sequence[Split], wants: Sequence[Want]) -> None:
        """Run the cold pass over a few images, and refuse a budget of which the whole pass would leave nothing.

        Raises:
            InputError: the sentence says what the pass would take.
        """
        images = sum(len(split) for split in splits)
        largest = max(splits, key=len)
        few = largest.subset(np.arange(min(TRIED, len(largest))))
        cold.prepare(backbone, [few], wants)  # the first images also pay for what happens once
        more = largest.subset(np.arange(min(TRIED, len(largest)), min(3 * TRIED, len(largest))))
        start = self.clock()
        done = cold.prepare(backbone, [more], wants) if len(more) else None
        if done is None or not done.images:
            return
        expected = (self.clock() - start) / done.images * max(0, images - 3 * TRIED)
        if expected > self.left:
            raise InputError(
                f"expected a budget that the cold pass fits into, found {wording.seconds(self.seconds)}: {images:,} images "
                f"take about {wording.seconds(expected)}; give more, or take fewer images with --shots, or a smaller model"
            )

    def allows_refit(self, table: Results) -> bool:
        """Return whether the recommended method can be refitted in what is left; the table says so where it cannot."""
        best = recommended(table)
        took = 0.0 if best is None else best.mean("train_seconds") or 0.0
        if took <= max(self.left, 0.0):
            return True
        table.notes.append(
            f"the recommended method was not refitted on train and val together, which would take about {wording.seconds(took)}"
        )
        return False


def cost(method: Method, dataset: Dataset, fits: Fits, budget: Budget) -> float:
    """Return about how many seconds a fit takes, evaluation included, found by fitting a little."""
    train, val, test = dataset.splits
    crossed = FOLDS + 1 if fits.choose != "val" and method.crosses and not settings_for(method, fits.choose) else 1

    def taken(trial: Method, count: int) -> float:
        rows = np.linspace(0, len(train) - 1, count).astype(np.int64)
        few = val.subset(np.arange(min(8, len(val)))) if trial.needs_val and len(val) else None
        start = budget.clock()
        trial.fit(train.subset(np.unique(rows)), few, cold=fits.cold)
        return budget.clock() - start

    try:
        if isinstance(method, Trained):
            batch = min(method.batch_size, len(train))
            trial = method.again(epochs=1, warmup=0, augment="none")
            taken(trial, batch)  # the first fit also pays for what happens once
            first, more = taken(trial, batch), taken(trial.again(epochs=1 + STEPS), batch)
            step = max(more - first, 0.0) / STEPS
            every = math.ceil(len(train) / batch) * step
            look = step / batch / 3  # a pass forward is a third of a step
            return crossed * (first + method.epochs * (every + len(val) * look) + len(test) * look)
        count = min(64, len(train))
        return crossed * taken(method.again(), count) * len(train) / count
    except ColdframeError:
        return 0.0  # the fit itself will say what is wrong


def within(budget: Budget, fits: Fits, methods: Mapping[str, Method], *, timed: bool) -> bool:
    """Fit what the budget has room for, and say in the case's notes what was left out.

    Args:
        budget: of this case.
        fits: of the case.
        methods: by what the table calls them, unfitted.
        timed: whether latencies are to be measured afterwards.

    Returns:
        Whether there is time to measure latencies.
    """
    case, now = fits.case, dict(methods)
    seeds = range(len(case.datasets))
    budget.costs = {name: cost(method, case.datasets[0], fits, budget) for name, method in methods.items()}
    order = sorted(methods, key=lambda name: budget.costs[name])
    timing = TIMING * (len(methods) + 1) if timed else 0.0
    timed = timed and timing <= 0.2 * budget.seconds
    budget.held += timing if timed else 0.0
    fitting = [name for name in order if sum(budget.costs[o] for o in order[: order.index(name) + 1]) <= budget.left]
    later = [name for name in order if name not in fitting]
    words = f"a budget of {wording.seconds(budget.seconds)}: {wording.joined(fitting) or 'nothing'} will be fitted"
    fits.watch.promised(words + (f"; too dear: {_priced(later, budget.costs)}" if later else ""))
    left: dict[str, list[int]] = {}

    def run(name: str, seed: int) -> bool:
        if budget.costs[name] > budget.left:
            left.setdefault(name, []).append(seed)
            return False

        def in_time() -> None:
            if budget.left <= 0:
                raise OutOfTime(f"{name} was stopped: its time is up")

        start = budget.clock()
        try:
            if not fits.run(now[name], name, seed, in_time=in_time):
                return False
        except OutOfTime:
            left.setdefault(name, []).append(seed)
            budget.costs[name] = max(budget.costs[name], budget.clock() - start)
            return False
        budget.costs[name] = budget.clock() - start
        return True

    done = [name for name in order if run(name, 0)]
    if not done and not case.failed:
        found = f"found {wording.seconds(budget.seconds)} for {_priced(order, budget.costs)}"
        case.failed.append(InputError(f"expected a budget that a method fits into, {found}; give more, or fewer images"))
        case.skipped.append(str(case.failed[-1]))
        return False
    for name in done:
        others = sum(budget.costs[each] for each in done) * (len(seeds) - 1)
        _search(budget, fits, now, name, others, run)
    for seed in seeds[1:]:
        for name in done:
            if name not in left and name in case.fitted:
                run(name, seed)
            elif name in left:
                left[name].append(seed)
    case.notes += [_left_out(name, found, len(seeds), budget.costs[name]) for name, found in left.items()]
    if timing and not timed:
        case.notes.append(f"latencies were left out of the budget: measuring them takes about {wording.seconds(timing)}")
    return timed


def _priced(names: Sequence[str], costs: Mapping[str, float]) -> str:
    return ", ".join(f"{name} (about {wording.seconds(costs[name])} a seed)" for name in names)


def _left_out(name: str, missing: Sequence[int], seeds: int, each: float) -> str:
    which = "" if len(missing) == seeds else f", seed {wording.joined([str(seed) for seed in missing])},"
    what = f"about {wording.seconds(each)}{' each' if len(missing) > 1 else ''}"
    return f"{name}{which} was left out of the budget: it takes {what}"


def _search(
    budget: Budget, fits: Fits, now: dict[str, Method], name: str, others: float, run: Callable[[str, int], bool]
) -> None:
    """Search the learning rate of a method where time allows; the better setting takes the place of the usual one."""
    method, case = now[name], fits.case
    if not isinstance(method, Trained) or name not in case.fitted:
        return
    train, val, _ = case.datasets[0].splits
    if method.lr == "auto" or method.settings()["lr"].default != method.lr or method.epochs < 2 * RUNGS[0][1]:
        return  # it searches itself, somebody set the rate, or a quarter of the epochs says nothing
    price = (SEARCH + 1) * budget.costs[name]
    if not len(val):
        case.notes.append(f"the learning rate of {name} was not searched, since there are no validation images to choose on")
        return
    if price + others > budget.left:
        case.notes.append(f"the learning rate of {name} was not searched: that takes about {wording.seconds(price)}")
        return

    def in_time(metrics: dict[str, Any]) -> None:
        if budget.left <= others:
            raise OutOfTime(f"the search for {name} was stopped: its time is up")

    try:
        best, rank = halve(method, train, val, fits.cold, in_time)
    except OutOfTime:
        case.notes.append(f"the learning rate of {name} was searched and not found in time; the usual one stands")
        return
    before = rank_of(case.fitted[name])
    if best.lr == method.lr or before is None or rank <= before:
        case.notes.append(f"{name}: of {len(FACTORS)} learning rates successive halving kept the usual one, {method.lr:g}")
        return
    fits.forget(name)
    now[name] = method.again(lr=best.lr)
    if run(name, 0):
        found = f"learning rate {best.lr:g} in the place of {method.lr:g}"
        case.notes.append(f"{name}: {found}, by successive halving over {len(FACTORS)} on val")
    else:
        now[name] = method
        run(name, 0)
