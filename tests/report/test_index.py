"""The page in front of several reports."""

from __future__ import annotations

import json
from pathlib import Path

from coldframe.report import About, Table
from coldframe.report.index import joined, save_index


def table(data: str, top1: float) -> Table:
    row = {"method": "knn", "model": "pocket", "data": data, "seed": 0, "split": "test", "n": 10, "top1": top1}
    return Table(rows=[row], command="coldframe compare", about=About(model="pocket", data=data))


def test_each_table_is_there_with_a_link(tmp_path: Path) -> None:
    tables = {"mini-a": table("<a>", 0.5), "mini-b": table("b", 0.25)}
    tables["mini-b"].handed = {"folder": "best", "method": "knn", "refit": False, "next": ["coldframe predict PHOTOS --run x"]}
    page = save_index(tables, tmp_path).read_text()
    assert 'href="mini-a/report.html"' in page and 'href="mini-b/report.html"' in page
    assert "&lt;a&gt;" in page and "<a>" not in page and "50.0" in page and "25.0" in page
    assert page.count("model: mini-b/best (nearest neighbours, as it was measured)") == 1 and "--run x" in page
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["top1"] for row in rows] == [0.5, 0.25]
    assert joined({"mini-a": tables["mini-a"]}) == tables["mini-a"].to_json()
