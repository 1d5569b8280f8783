import io

import pytest
from drawn import same_text
from rich.console import Console

from coldframe.report import Table, live_table, print_table
from coldframe.report.terminal import fitting


def printed(table, **options) -> str:
    out = io.StringIO()
    print_table(table, out, **options)
    return out.getvalue()


def test_columns_are_aligned_and_nothing_is_cut(make_table):
    lines = printed(make_table(), width=150).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("method"))
    at = lines[start].index("top-1")
    assert all(line[at - 1] == " " and line[at] != " " for line in lines[start : start + 6])
    assert "…" not in "".join(lines)
    assert any(line.startswith("Verdict: ") for line in lines)


@pytest.mark.parametrize("width", [160, 100, 80, 60, 44, 30, 20])
def test_any_width_holds_every_method_and_stays_inside(make_table, all_methods, width):
    text = printed(make_table(all_methods), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert all(name in text.replace("\n", " ") for name in ("fine-tune", "LoRA", "top-1"))


def test_left_out_columns_are_named(make_table):
    assert "also measured:" in printed(make_table(), width=70)
    assert "also measured:" not in printed(make_table(), width=150)


def test_a_pipe_gets_no_colour_codes_and_an_empty_table_no_crash(make_table):
    assert "\x1b" not in printed(make_table())
    assert "nothing to choose by" in printed(Table())


def test_names_are_never_markup():
    assert "[red]probe[/]" in printed(Table([{"method": "[red]probe[/]", "top1": 0.5}]), width=80)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_table_fills_in(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    table, screen = Table(), Screen()
    with live_table(table, ["linear-probe", "knn"], file=screen) as live:
        live.status("linear-probe", "seed 0")
        assert live.shown and "seed 0" in screen.getvalue() and "waiting" in screen.getvalue()
        live.add({"method": "linear-probe", "seed": 0, "top1": 0.931})
        assert "93.1" in screen.getvalue()
        live.status("linear-probe", "seed 1")
    assert "seed 1" in screen.getvalue()


@pytest.mark.parametrize(("quiet", "file"), [(True, Screen()), (False, io.StringIO())])
def test_the_live_table_is_silent_where_no_one_looks(quiet, file):
    table = Table()
    with live_table(table, ["knn"], quiet=quiet, file=file) as live:
        live.add({"method": "knn", "top1": 0.5})
    assert file.getvalue() == "" and len(table.rows) == 1


@pytest.mark.parametrize("width", [160, 100, 40])
def test_it_is_printed_as_it_was(make_table, width):
    table = make_table(("zero-shot", "linear-probe", "knn"))
    table.about.cold, table.notes = "cold pass: 90 s", ["one file was left out"]
    same_text(__file__, f"printed_{width}", printed(table, width=width))


def test_head_and_end_can_be_left_out_and_a_pipe_is_wide(make_table, monkeypatch):
    table = make_table(("zero-shot", "knn"))
    assert printed(table, head=False, end=False, width=160).startswith("method") and "Verdict" not in printed(table, end=False)
    monkeypatch.setenv("COLUMNS", "50")
    assert "also measured" not in printed(table)
    two = Table([{"method": "knn", "top1": 0.5, "train_seconds": 1.0}])
    assert [[column.title for column in fitting(two, width)] for width in (37, 36)] == [["top-1", "training"], ["top-1"]]


def test_a_list_takes_the_place_of_the_table_below_44_columns_and_lines_end_at_120(make_table):
    table = make_table(("zero-shot", "knn"))
    for width, listed in ((44, False), (43, True)):
        assert any(line.startswith("  top-1") for line in printed(table, width=width).splitlines()) == listed
    lines = printed(table, width=200).splitlines()
    verdict = lines[next(i for i, line in enumerate(lines) if line.startswith("Verdict: ")) :]
    assert 100 < max(map(len, verdict)) <= 120
    alone = Table([{"method": "m" * 50, "top1": 0.5}])
    for width, listed in ((58, False), (57, True)):
        assert ("  top-1   50.0" in printed(alone, width=width).splitlines()) == listed


def test_what_waits_and_what_is_done_in_the_live_table(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    table = Table()
    live = live_table(table, ["linear-probe", "knn"], file=Screen())
    live.state["knn"] = "seed 0"

    def lines() -> list[list[str]]:
        out = io.StringIO()
        Console(file=out, width=100).print(live._render())
        return [line.split() for line in out.getvalue().splitlines()]

    assert lines() == [["method"], ["linear", "probe", "waiting"], ["nearest", "neighbours", "seed", "0"]]
    live.add({"method": "knn", "seed": 0, "top1": 0.5, "train_seconds": 1.0})
    head, done, waiting = lines()
    assert head == ["method", "top-1", "training"] and done == ["nearest", "neighbours", "50.0", "1.0", "s"]
    assert waiting == ["linear", "probe", "waiting"]
    assert [str(row.style) for row in live._render().rows] == ["", "dim"]
    narrow = live_table(table, [], file=Screen())
    assert fitting(table, max(20, 61 - 24)) == fitting(table, 37)
    monkeypatch.setattr(narrow, "console", Console(file=io.StringIO(), width=60))
    assert [column.header.plain for column in narrow._render().columns] == ["method", "top-1", ""]
    narrow.console = Console(file=io.StringIO(), width=61)
    assert [column.header.plain for column in narrow._render().columns] == ["method", "top-1", "training", ""]


def test_a_name_that_is_wider_than_the_live_table_is_cut_and_not_wrapped():
    out = io.StringIO()
    Console(file=out, width=30).print(live_table(Table(), ["m" * 50], file=Screen())._render())
    lines = out.getvalue().splitlines()
    assert len(lines) == 2 and "…" in lines[1]
