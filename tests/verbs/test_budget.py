"""A budget on a clock that only the methods move: what runs, in which order, what is left out, and when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_clip
from torch import Tensor

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods import Method, method_class
from coldframe.methods.ncm import NearestMean
from coldframe.verbs.budget import Budget, seconds_of
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
    from coldframe.verbs.budget import cost
    from coldframe.verbs.case import Case, Fits

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
