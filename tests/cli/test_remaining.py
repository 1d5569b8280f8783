"""How long fits will still take."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coldframe.cli.live import Terminal
from coldframe.cli.remaining import Remaining


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_of_this_fit_and_the_fits_of_the_other_seeds() -> None:
    clock = Clock()
    left = Remaining({"probe": 4}, seeds=3, clock=clock)
    left.begin("probe")
    clock.now = 7.0  # 4 s of tried rates, then an epoch of 3 s
    assert left.after(1) is None
    clock.now = 10.0
    assert left.after(2) == pytest.approx(2 * 3 + 2 * (4 + 4 * 3))
    left.begin("probe")
    clock.now = 17.0
    left.after(1)
    clock.now = 20.0
    assert left.after(2) == pytest.approx(2 * 3 + 16)
    left.begin("other")
    assert left.after(1) is None and left.after(2) is None


def test_a_log_names_what_is_left_of_a_long_fit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, clock = Terminal(), Clock()
    watch.console = Console(file=io.StringIO(), width=120)
    watch.planned(["probe", "quick"], {"probe": 100, "quick": 2}, 1)
    watch._left.clock = clock
    watch.fitting("probe", 0)
    for epoch in range(1, 5):
        clock.now += 2
        watch.epoch("probe", 0, {"epoch": epoch, "loss": 1.0, "val": 0.5})
    watch.fitting("quick", 0)
    watch.epoch("quick", 0, {"epoch": 1, "loss": 1.0})
    watch.stop()
    assert watch.console.file.getvalue().split("\n") == ["  probe: about 3 min left", ""]  # type: ignore[attr-defined]
    Terminal.shown = None


def test_nothing_is_said_of_runs_that_go_on_or_were_taken_up_late() -> None:
    clock = Clock()
    left = Remaining({"probe": 3}, clock=clock)
    left.begin("probe")
    clock.now = 5.0
    assert left.after(2) is None, "the first epoch that is seen tells no pace"
    clock.now = 9.0
    assert left.after(3) == 0.0 and left.after(4) is None
    assert left.after(1) is None, "it began anew"


def test_the_pace_is_the_mean_since_the_first_epoch_and_seeds_that_are_over_do_not_count() -> None:
    clock = Clock()
    left = Remaining({"probe": 5}, seeds=2, clock=clock)
    assert left.after(1) is None, "no fit has begun"
    for seed in (0, 1, 2):
        clock.now = 100.0
        left.begin("probe")
        clock.now = 110.0
        assert left.after(1) is None
        clock.now = 112.0
        left.after(2)
        clock.now = 118.0  # two epochs in 8 seconds, two are left: 8, of 26 in all
        assert left.after(3) == pytest.approx(8.0 + (26.0 if seed == 0 else 0.0))
    left.begin("other")
    left.begin("probe")
    clock.now += 1.0
    left.after(1)
    clock.now += 1.0
    assert left.after(2) == pytest.approx(3.0 + 5.0), "a method that comes again begins with its first seed"
