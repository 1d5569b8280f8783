"""A budget on a clock that only the methods move: what runs, in which order, what is left out, and when it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_clip
from torch import Tensor

from coldframe.cold import ColdPass, PassReport, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods import Method, method_class
from coldframe.methods.ncm import NearestMean
from coldframe.report import Table
from coldframe.verbs.budget import Budget, _left_out, _priced, _search, cost, seconds_of, within
from coldframe.verbs.case import Case, Fits
from coldframe.verbs.compare import compare
from coldframe.verbs.halving import FACTORS, halve
from coldframe.verbs.watch import Watch

DATA = Dataset("colours", coloured(48, 0, "train"), coloured(12, 1, "val"), coloured(15, 2, "test"))
BACKBONE = TinyBackbone(width=12)


class Clock:
    """Seconds that pass only where somebody says so."""

    def __init__(self) -> None:
        self.now, self.ran = 0.0, list[tuple[str, int]]()

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


class Slow(NearestMean):
    """A nearest mean that takes ``pace`` seconds of the clock for every training image."""

    name: ClassVar[str] = "slow"
    pace: float = 1.0
    seed: int = 0

    def _fit(self, train: Any, val: Any, cold: Any, run: Any, report: Any) -> None:
        CLOCK.now += self.pace * len(train)
        CLOCK.ran.append((f"{self.pace:g}", self.seed))
        super()._fit(train, val, cold, run, report)

    def warm(self, x: Tensor) -> Tensor:
        return super().warm(x)


class Told(Watch):
    def __init__(self) -> None:
        self.said: list[str] = []

    def promised(self, sentence: str) -> None:
        self.said.append(sentence)


def run(methods: list[Method], seconds: float, tmp_path: Path, seeds: int = 3, **more: Any) -> tuple[Any, Told]:
    CLOCK.now, CLOCK.ran = 0.0, []
    watch = Told()
    table = compare(
        methods, DATA, seeds=seeds, latency=False, unknown="none", cold=ColdPass(Store(tmp_path)), watch=watch,
        budget=Budget(seconds, CLOCK), **more,
    )  # fmt: skip
    return table, watch


def test_cheap_methods_run_first_and_the_rest_is_named_with_its_cost(tmp_path: Path) -> None:
    methods: list[Method] = [Slow(BACKBONE, pace=pace) for pace in (10.0, 0.1, 1.0)]  # 480, 4.8 and 48 seconds a fit
    table, watch = run(methods, 800.0, tmp_path)
    order = CLOCK.ran[3:]  # after a trial of each
    assert order[0] == ("0.1", 0) and order[1] == ("1", 0) and ("10", 0) not in order
    assert CLOCK.now <= 800 * 1.05 and CLOCK.now == pytest.approx(532.8 + 3 * 52.8)
    assert [row["seed"] for row in table.rows] == [0, 0, 1, 1, 2, 2]
    note = next(note for note in table.notes if "left out of the budget" in note)
    assert "pace=10.0" in note and "8 min" in note
    assert "too dear: slow (pace=10.0) (about 8 min a seed)" in watch.said[0] and "800 s" not in watch.said[0]


def test_seeds_that_do_not_fit_are_left_out_and_lines_are_still_paired(tmp_path: Path) -> None:
    methods: list[Method] = [Slow(BACKBONE, pace=pace) for pace in (2.0, 0.1)]  # 96 and 4.8 seconds a fit
    table, _ = run(methods, 260.0, tmp_path)  # the trials take a hundred already
    assert CLOCK.now <= 260 * 1.05
    assert sorted((row["method"], row["seed"]) for row in table.rows) == [
        ("slow (pace=0.1)", 0), ("slow (pace=0.1)", 1), ("slow (pace=0.1)", 2), ("slow (pace=2.0)", 0),
    ]  # fmt: skip
    note = next(note for note in table.notes if "left out of the budget" in note)
    assert "seed 1 and 2" in note and "about 96 s each" in note
    assert len(table.comparisons) == 1 and table.best is not None


def test_nothing_fits_and_a_budget_that_is_none_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a budget that a method fits into, found 2 min for slow"):
        run([Slow(BACKBONE, pace=10.0)], 100.0, tmp_path)
    for wrong in ("soon", "10", "5 days", "-3s", "0s", "1h x"):
        with pytest.raises(InputError, match="expected a budget"):
            seconds_of(wrong)
    assert seconds_of("1.5h") == 5400 and seconds_of("2min 30s") == 150


def test_a_cold_pass_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CLOCK.now = 0.0
    whole = ColdPass.prepare

    def slow(self: ColdPass, *arguments: Any) -> Any:
        done = whole(self, *arguments)
        CLOCK.now += 2.0 * done.images
        return done

    monkeypatch.setattr(ColdPass, "prepare", slow)
    big = Dataset("colours", coloured(120, 0, "train"), DATA.val, DATA.test)
    with pytest.raises(InputError, match=r"147 images take about 2 min"):
        compare(["ncm"], big, model=BACKBONE, seeds=1, unknown="none", cold=ColdPass(Store(tmp_path)),
                budget=Budget(140.0, CLOCK))  # fmt: skip


def test_training_stops_after_an_epoch_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_clip()
    kind = method_class("clap")
    plain = kind.warm

    def slower(self: Any, x: Tensor) -> Tensor:
        CLOCK.now += 0.0 if self.epochs < 50 else 1.0  # the trial did not see it coming
        return plain(self, x)

    monkeypatch.setattr(kind, "warm", slower)
    table, _ = run([method_class("zero-shot")(backbone), kind(backbone, epochs=50)], 20.0, tmp_path, seeds=1)
    assert [row["method"] for row in table.rows] == ["zero-shot"] and CLOCK.now <= 21.0 + 2
    assert any("clap was left out of the budget" in note for note in table.notes)


def test_learning_rates_are_halved_and_the_best_takes_the_line(tmp_path: Path) -> None:
    backbone = tiny_clip()
    cold = ColdPass(Store(tmp_path))
    method: Any = method_class("taskres")(backbone, epochs=16, lr=2e-3)
    best, rank = halve(method, DATA.train, DATA.val, cold)
    assert best.epochs == 16 and best.lr in [pytest.approx(method.lr * factor) for factor in FACTORS]
    alone = method.again(lr=best.lr).fit(DATA.train, DATA.val, cold=cold)
    assert rank == pytest.approx(max((top1, -loss) for top1, loss in alone.tried().values()), rel=1e-4)
    table, _ = run([method], 1e6, tmp_path / "run", seeds=2)
    note = next(note for note in table.notes if "successive halving" in note)
    rows = table.rows
    assert [row["seed"] for row in rows] == [0, 1] and rows[0]["method"] == "taskres"
    tuned = float(note.split("learning rate ")[1].split(" ")[0]) if "in the place of" in note else method.lr
    expected = method.again(lr=tuned).fit(DATA.train, DATA.val, cold=cold).score(DATA.test, cold=cold)
    assert rows[0]["top1"] == pytest.approx(expected) and f"lr={tuned}" in table.about.settings["taskres"]
    assert torch.isfinite(torch.tensor(rank)).all()
    given, _ = run([method_class("taskres")(backbone, epochs=16, lr=0.5)], 1e6, tmp_path / "given", seeds=1)
    assert not any("learning rate" in note for note in given.notes), "a rate that somebody set is not searched"


def test_what_a_fit_pays_once_is_not_counted_for_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_clip()
    kind = method_class("clap")
    begin, warm = kind.begin, kind.warm

    def slow_begin(self: Any, *arguments: Any) -> Any:
        CLOCK.now += 10.0
        return begin(self, *arguments)

    def slow_warm(self: Any, x: Tensor) -> Tensor:
        CLOCK.now += 0.1 if torch.is_grad_enabled() else 0.0
        return warm(self, x)

    monkeypatch.setattr(kind, "begin", slow_begin)
    monkeypatch.setattr(kind, "warm", slow_warm)
    fits = Fits(Case(backbone, "colours", [DATA]), ColdPass(Store(tmp_path)), Told(), None, "val")
    CLOCK.now = 0.0
    found = cost(kind(backbone, epochs=50), DATA, fits, Budget(100.0, CLOCK))
    assert 10 + 50 * 0.1 <= found <= 10 + 60 * 0.1
    step, look = 0.1, 0.1 / 20 / 3  # a batch of 20: three steps an epoch, and 12 + 15 images to look at
    batches = cost(kind(backbone, epochs=50, batch_size=20), DATA, fits, Budget(100.0, CLOCK))
    assert batches == pytest.approx(10.1 + 50 * (3 * step + 12 * look) + 15 * look)


def test_time_left_and_its_parts_are_what_the_clock_and_the_slack_leave() -> None:
    CLOCK.now = 10.0
    whole = Budget(200.0, CLOCK, held=4.0)
    CLOCK.now = 30.0
    assert whole.left == pytest.approx(10 + 200 * 0.97 - 4 - 30)
    whole.costs["a"] = 1.0
    last, half = whole.part(1, held=6.0), whole.part(2, held=6.0)
    assert (last.seconds, last.started, last.held, last.costs) == (200.0, 10.0, 10.0, {})
    assert (half.seconds, half.started, half.held) == (pytest.approx(85.0), 30.0, 6.0) and not half.costs
    CLOCK.now = 500.0
    assert whole.part(3).seconds == 0.0


@pytest.mark.parametrize(("seconds", "fits"), [(131.0, True), (130.0, False)])
def test_the_cold_pass_is_told_by_the_images_after_the_first(seconds: float, fits: bool) -> None:
    """A second an image but for the first 24, which pay more: 100 - 72 images are left of those that the largest split has."""
    asked: list[int] = []

    class Paced:
        def prepare(self, backbone: Any, splits: Any, wants: Any) -> PassReport:
            asked.append(len(splits[0]))
            CLOCK.now += 30.0 if len(asked) == 1 else 1.0 * len(splits[0])
            return PassReport(images=len(splits[0]))

    CLOCK.now, splits = 0.0, [coloured(80, 0, "train"), coloured(8, 1, "val"), coloured(12, 2, "test")]
    budget = Budget(seconds * 106 / 131 / 0.97, CLOCK)  # 78 seconds are gone when 28 are asked for
    cold: Any = Paced()
    if fits:
        budget.check_cold(cold, BACKBONE, splits, [])
    else:
        with pytest.raises(InputError, match="found 2 min: 100 images take about 28 s; give more"):
            budget.check_cold(cold, BACKBONE, splits, [])
    assert asked == [24, 48]


def test_a_split_of_a_few_images_tells_nothing_of_the_cold_pass() -> None:
    asked: list[int] = []

    class Kept:
        def prepare(self, backbone: Any, splits: Any, wants: Any) -> PassReport:
            asked.append(len(splits[0]))
            CLOCK.now += 50.0
            return PassReport(images=0)

    CLOCK.now, cold = 0.0, Kept()
    for n in (24, 25):
        Budget(60.0, CLOCK).check_cold(cold, BACKBONE, [coloured(n, 0, "train")] * 9, [])  # type: ignore[arg-type]
    assert asked == [24, 24, 1]


def test_refitting_is_left_out_where_it_takes_longer_than_what_is_left() -> None:
    table = Table([{"method": "knn", "top1": 0.9, "train_seconds": 20.0, "n": 50}])
    CLOCK.now = 0.0
    budget = Budget(100.0, CLOCK)
    CLOCK.now = 97.0 - 20.0
    assert budget.allows_refit(table) and not table.notes
    CLOCK.now = 97.0 - 19.9
    assert not budget.allows_refit(table)
    assert table.notes == ["the recommended method was not refitted on train and val together, which would take about 20 s"]
    CLOCK.now = 99.0
    assert budget.allows_refit(Table())


def case_of(tmp_path: Path, seeds: int = 1, choose: Any = "val", data: Dataset = DATA) -> Fits:
    return Fits(Case(BACKBONE, "colours", [data] * seeds), ColdPass(Store(tmp_path)), Told(), None, choose)


def test_what_a_fit_takes_is_scaled_from_64_images_and_by_the_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Dataset("colours", coloured(96, 0, "train"), DATA.val, DATA.test)
    assert cost(Slow(BACKBONE, pace=0.5), large, case_of(tmp_path), Budget(1e3, CLOCK)) == pytest.approx(48.0)
    CLOCK.ran = []
    assert cost(Slow(BACKBONE, pace=0.5), DATA, case_of(tmp_path), Budget(1e3, CLOCK)) == pytest.approx(24.0)
    assert len(CLOCK.ran) == 1

    class Crossed(Slow):
        crosses: ClassVar[bool] = True

    for choose, own, folds in (("val", {}, 1), ("cv", {"choose": "cv"}, 1), ("cv", {}, 6)):
        monkeypatch.setattr("coldframe.verbs.budget.settings_for", lambda method, rule, own=own: own)
        taken = cost(Crossed(BACKBONE, pace=0.5), DATA, case_of(tmp_path, choose=choose), Budget(1e3, CLOCK))
        assert taken == pytest.approx(24.0 * folds)


def test_latencies_are_measured_where_they_take_a_fifth_of_the_budget_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fits, "run", lambda *arguments, **more: True)
    for seconds, timed in ((15.0, True), (14.9, False)):
        CLOCK.now, CLOCK.ran, fits = 0.0, [], case_of(tmp_path)
        budget = Budget(seconds, CLOCK)
        assert within(budget, fits, {"slow": Slow(BACKBONE, pace=0.01)}, timed=True) is timed
        assert budget.held == (3.0 if timed else 0.0)
        words = "latencies were left out of the budget: measuring them takes about 3.0 s"
        assert fits.case.notes == ([] if timed else [words])
    assert not within(Budget(100.0, CLOCK), case_of(tmp_path), {"slow": Slow(BACKBONE, pace=0.01)}, timed=False)


def test_words_of_what_was_left_out() -> None:
    assert _left_out("lora", [0, 1], 2, 30.0) == "lora was left out of the budget: it takes about 30 s each"
    assert _left_out("lora", [2], 3, 30.0) == "lora, seed 2, was left out of the budget: it takes about 30 s"
    assert _priced(["a", "b"], {"a": 5.0, "b": 600.0}) == "a (about 5.0 s a seed), b (about 10 min a seed)"


@pytest.mark.parametrize(
    ("costs", "others", "left", "found", "note"),
    [
        (10.0, 26.0, 97.0, (0.5, -1.0), "t: of 8 learning rates successive halving kept the usual one, 0.002"),
        (10.0, 28.0, 97.0, (0.9, -1.0), "the learning rate of t was not searched: that takes about 70 s"),
        (10.0, 20.0, 97.0, None, "the learning rate of t was searched and not found in time; the usual one stands"),
        (10.0, 20.0, 97.0, (0.9, -1.0), "t: learning rate 0.02 in the place of 0.002, by successive halving over 8 on val"),
    ],
)
def test_a_search_takes_seven_fits_and_its_rate_has_to_be_better(
    monkeypatch: pytest.MonkeyPatch, costs: float, others: float, left: float, found: Any, note: str
) -> None:
    method: Any = method_class("taskres")(tiny_clip(), epochs=16)
    ran: list[tuple[float, int]] = []
    fitted = SimpleNamespace(tried=lambda: {"8": (0.5, 1.0), "16": (0.4, 0.1)})
    forgotten: list[str] = []
    case = SimpleNamespace(fitted={"t": fitted}, datasets=[DATA], notes=[])
    fits: Any = SimpleNamespace(case=case, cold=None, forget=forgotten.append)
    CLOCK.now = 0.0
    budget = Budget(left / 0.97, CLOCK, costs={"t": costs})
    now: dict[str, Any] = {"t": method}

    def halved(each: Any, train: Any, val: Any, cold: Any, in_time: Any) -> Any:
        CLOCK.now += 97.0 - others - (0.0 if found is None else 0.5)
        in_time({})
        return method.again(lr=method.lr * 10), found

    def run_again(name: str, seed: int) -> bool:
        ran.append((now[name].lr, seed))
        return True

    monkeypatch.setattr("coldframe.verbs.budget.halve", halved)
    _search(budget, fits, now, "t", others, run_again)
    assert case.notes == [note]
    better = "in the place of" in note
    assert ran == ([(pytest.approx(0.02), 0)] if better else []) and forgotten == (["t"] if better else [])


def test_a_rate_that_is_better_and_cannot_be_fitted_in_time_gives_way_to_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    method: Any = method_class("taskres")(tiny_clip(), epochs=8)
    now: dict[str, Any] = {"t": method, "short": method.again(epochs=7)}
    fitted = SimpleNamespace(tried=lambda: {"": (0.5, 1.0)})
    case = SimpleNamespace(fitted=dict.fromkeys(now, fitted), datasets=[DATA], notes=[])
    fits: Any = SimpleNamespace(case=case, cold=None, forget=lambda name: None)
    CLOCK.now, ran = 0.0, list[float]()
    budget = Budget(1e3, CLOCK, costs=dict.fromkeys(now, 1.0))
    monkeypatch.setattr("coldframe.verbs.budget.halve", lambda *_: (method.again(lr=1.0), (0.6, 0.0)))

    def run_again(name: str, seed: int) -> bool:
        ran.append(now[name].lr)
        return False

    for name in now:
        _search(budget, fits, now, name, 0.0, run_again)
    assert ran == [1.0, method.lr] and now["t"] is method and not case.notes
    case.datasets = [Dataset("colours", DATA.train, DATA.val.subset(np.arange(0)), DATA.test)]
    _search(budget, fits, now, "t", 0.0, run_again)
    assert case.notes == ["the learning rate of t was not searched, since there are no validation images to choose on"]


class Rated:
    """A method whose rank is told by its rate alone: the closest to 0.03 is best; 3 bursts."""

    name, lr, epochs, stacks, optimiser, patience = "rated", 0.1, 10, False, "adam", None
    fits: ClassVar[list[tuple[float, int]]] = []

    def again(self, **more: Any) -> Rated:
        other = Rated()
        other.__dict__ |= {**self.__dict__, **more}
        return other

    @property
    def recipe(self) -> Any:
        return SimpleNamespace(lr=self.lr)

    def fit(self, train: Any, val: Any, *, cold: Any, report: Any) -> None:
        self.fits.append((round(self.lr, 6), self.epochs))
        if self.lr == pytest.approx(3.0):
            raise InputError("it bursts")

    def tried(self) -> dict[str, tuple[float, float]]:
        return {} if self.lr == pytest.approx(3.0) else {"": (0.5, abs(self.lr - 0.03)), "first": (0.1, 0.0)}


def test_eight_rates_run_a_quarter_four_a_half_and_two_all_of_the_epochs() -> None:
    Rated.fits.clear()
    best, rank = halve(Rated(), DATA.train, DATA.val, None)  # type: ignore[arg-type]
    assert (best.lr, best.epochs) == (pytest.approx(0.03), 10) and rank == (0.5, pytest.approx(0.0))
    assert Rated.fits[:8] == [(0.1, 2), (0.03, 2), (0.3, 2), (0.01, 2), (1.0, 2), (0.003, 2), (3.0, 2), (0.001, 2)]
    assert Rated.fits[8:] == [(0.03, 5), (0.01, 5), (0.003, 5), (0.001, 5), (0.03, 10), (0.01, 10)]
    Rated.fits.clear()
    halve(Rated().again(epochs=3), DATA.train, DATA.val, None)  # type: ignore[type-var,arg-type]
    assert {epochs for _, epochs in Rated.fits[:8]} == {1}
