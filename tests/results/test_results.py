"""Results by themselves: how lines of the table are compared, and that they need neither pictures nor pages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from coldframe.results.results import Results


def test_comparisons_turn_round(make_table: Callable[..., Results]) -> None:
    table = make_table()
    a, b = table.details[0].key, table.details[1].key
    there, back = table.compared(a, b), table.compared(b, a)
    assert there is not None and back is not None and there.n == 240
    assert (there.difference, there.low, there.high) == (-back.difference, -back.high, -back.low)
    assert len(table.comparisons) == 10


def test_lines_on_different_data_are_not_paired(make_table: Callable[..., Results]) -> None:
    table = make_table(("knn", "linear-probe"))
    table.details[1] = replace(table.details[1], data="folder:other")
    table.pair()
    assert table.comparisons == []


def test_results_need_no_drawing_and_no_pages() -> None:
    code = """
import sys
from coldframe.results import columns, results, verdict
print(sorted({"matplotlib", "jinja2"} & set(sys.modules)), any(name.startswith("coldframe.report") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False"
