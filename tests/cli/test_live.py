"""What is said while something runs, line by line where nobody looks at a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from coldframe.cli.live import Terminal
from coldframe.cold import PassReport


@pytest.fixture
def watch() -> Iterator[Terminal]:
    found = Terminal()
    found.console = Console(file=io.StringIO(), width=200)
    yield found
    found.stop()
    Terminal.shown = None


def said(watch: Terminal) -> list[str]:
    return watch.console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_the_cold_pass_is_a_line_when_it_is_over(watch: Terminal) -> None:
    watch.start("pocket", "mini:mnist")
    watch.cold(0, 2000)
    watch.cold_done(PassReport(2000, 4.0, 11_000_000, 0, ("features", "block1"), ["a note"]))
    watch.cold_done(PassReport(10, 2.5, 999, 1234, ("features",)))
    watch.cold_done(PassReport(0, 0.1, 0, 5000, ("features",)))
    assert said(watch) == [
        "pocket · mini:mnist",
        "cold pass: 2,000 images · 500 images/s · cuts features, block1 · 11 MB stored · 4.0 s",
        "  a note",
        "cold pass: 10 images · 4 images/s · cuts features · 999 B stored · 2.5 s, 1,234 found in the store",
        "cold pass: nothing to do, all 5,000 images are in the store (cuts features)",
    ]


def test_each_row_is_a_line_and_an_epoch_the_state_of_its_method(watch: Terminal) -> None:
    watch.planned(["probe", "knn"], {"probe": 4}, 2)
    watch.promised("There is time for all.")
    watch.fitting("probe", 0)
    assert watch._table is not None and watch._table.state == {"probe": "seed 0", "knn": ""}
    watch.epoch("probe", 1, {"epoch": 2, "loss": 0.12345, "val": 0.9375})
    assert watch._table.state["probe"] == "seed 1, epoch 2 of 4: loss 0.123, val 93.8%"
    watch.epoch("knn", 0, {"epoch": 3, "loss": 1.0})
    assert watch._table.state["knn"] == "seed 0, epoch 3: loss 1.000"
    watch.row({"method": "probe", "seed": 0, "top1": 0.9375, "train_seconds": 1.14})
    watch.row({"method": "knn", "seed": 1, "top1": 0.5, "map": 0.25})
    watch.disturbed(1, 2)
    watch.disturbed(2, 2)
    assert watch._pass is None and said(watch) == [
        "There is time for all.",
        "  probe, seed 0: top-1 93.8% · 1.1 s",
        "  knn, seed 1: mAP 25.0%",
        "disturbed images: every fit sees the same noise and corruptions, and is attacked by itself",
    ]


def test_on_a_terminal_there_are_bars_and_a_table_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    watch = Terminal()
    watch.console.file = io.StringIO()
    assert Terminal.shown is watch and watch.console.is_terminal and not watch.bars.disable
    watch.cold(23, 24)
    held = Console(file=io.StringIO(), width=100, color_system=None, force_terminal=False)
    held.print(watch.bars.make_tasks_table(watch.bars.tasks))
    line = held.file.getvalue().rstrip()  # type: ignore[attr-defined]
    assert line.split() == ["cold", "pass", "━" * 23, "23/24", "-:--:--"]
    watch.cold(24, 24)
    assert watch._pass is not None and len(watch.bars.tasks) == 1 and watch.bars.tasks[0].finished
    watch.stop()
    assert watch._pass is None and not watch.bars.tasks
    watch.console = Console(file=io.StringIO(), width=100, force_terminal=True)
    watch.row({"method": "knn", "seed": 1, "top1": 0.5})
    watch.epoch("knn", 0, {"epoch": 1, "loss": 1.0})
    assert said(watch) == []
    Terminal.shown = None


@pytest.mark.parametrize(("left", "told"), [(19.9, []), (20.0, ["  probe: about 20 s left"])])
def test_twenty_seconds_are_worth_a_line(
    left: float, told: list[str], watch: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.planned(["probe"], {"probe": 9}, 1)
    monkeypatch.setattr(watch._left, "after", lambda epoch: left)
    watch.fitting("probe", 0)
    for epoch in (2, 3):
        watch.epoch("probe", 0, {"epoch": epoch, "loss": 1.0})
    assert watch._table is not None
    ahead = ", about 20 s left" if told else ""
    assert watch._table.state["probe"] == f"seed 0, epoch 3 of 9{ahead}: loss 1.000" and said(watch) == told


def test_batches_that_are_disturbed_keep_their_bar_until_the_last(watch: Terminal) -> None:
    watch.disturbed(1, 3)
    assert watch._pass is not None and said(watch) == [], "there was no table to take away"
    watch.disturbed(3, 3)
    assert watch._pass is None
