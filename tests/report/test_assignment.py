"""The page of an assignment takes pictures in, made smaller where they are wide."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from drawn import same_text
from PIL import Image

from coldframe.report.assignment import PICTURE, _grid, _small, _time, _wide, claims, markdown, numbers, save
from coldframe.results.assignment import Answered, Assignment, Finding, Number, Question, Ran


def test_wide_pictures_are_made_smaller_and_others_stay(tmp_path: Path) -> None:
    Image.new("RGB", (5 * PICTURE, 20)).save(tmp_path / "wide.png")
    Image.new("RGB", (40, 20)).save(tmp_path / "small.png")
    assert Image.open(io.BytesIO(_small(tmp_path / "wide.png"))).width == 2 * PICTURE
    assert _small(tmp_path / "small.png") == (tmp_path / "small.png").read_bytes()


def test_a_matrix_keeps_its_lines_in_markdown() -> None:
    assert _grid([["a", "b"], ["|x|", "0 1\n1 0"]])[2] == "| \\|x\\| | `0 1`<br>`1 0` |"


def question(**more: object) -> Question:
    return Question("Q1", "Star", "Its\n matrix?", "It is.", **({"change": "Take `x`."} | more))  # type: ignore[arg-type]


def found(name: str, value: float, low: float | None = None, over: str = "5 seeds", **more: object) -> Finding:
    number = Number(name, f"the {name}", "s", "x", **more)  # type: ignore[arg-type]
    return Finding(number, value, low, None if low is None else value + 0.1, over, f"{value:g} shown", "agrees")


def answered(**more: object) -> Answered:
    failed = Ran("u", "coldframe y", 2.0, 1.0, failed="no")
    steps = [Ran("s", "coldframe x", 61.4, 30.6), Ran("t", "", missing=["data", "data"]), failed]
    usual = {"a": found("a", 0.5, 0.4, published=0.61234, source="a page"), "b": found("b", 2.0, unit="plain", published=2.5)}
    claims = [("more", "holds", "a against b", ""), ("less", "not measured", "", "why")]
    tables = [("a table", [["h", "k"], ["1|2", "3"]])]
    parts = {"question": question(), "steps": steps, "findings": usual, "claims": claims, "tables": tables, "figures": []}
    return Answered(**(parts | {"answer": "It is."} | more))  # type: ignore[arg-type]


def test_numbers_stand_beside_what_was_published_and_empty_columns_are_left_out() -> None:
    head, *lines = numbers(answered())
    assert head == ["measured", "ours (95% interval)", "over", "published", "how they stand", "source"]
    assert lines[0] == ["the a", "0.5 shown", "5 seeds", "61.23%", "agrees", "a page"]
    assert lines[1] == ["the b", "2 shown", "5 seeds", "2.5", "agrees", ""]
    plain = found("c", 3.0, over="")
    assert numbers(answered(findings={"c": plain})) == [["measured", "ours"], ["the c", "3 shown"]]
    mixed = numbers(answered(findings={"a": found("a", 0.5, published=0.5), "c": plain}))
    assert mixed[0] == ["measured", "ours", "over", "published", "how they stand"] and mixed[2][3] == ""
    assert numbers(answered(findings={})) == claims(answered(claims=[])) == []
    assert claims(answered()) == [["claim", "here", "compared", "why"], ["more", "holds", "a against b", ""],
                                  ["less", "not measured", "", "why"]]  # fmt: skip


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ((0.9, 1.0), "under a minute fast, 1 minute full"), ((2.0, 2.5), "2 minutes fast, 2.5 minutes full"),
    ],
)  # fmt: skip
def test_times_are_those_expected_and_those_spent(minutes: tuple[float, float], said: str) -> None:
    one = answered(question=question(minutes=minutes))
    assert _time(one) == f"expected on two idle cores: {said}; here it took 63 s, 32 s of them on the processor"


@pytest.mark.parametrize(
    ("size", "wide"), [((190, 100), False), ((191, 100), True), ((1080, 900), False), ((1081, 900), True), ((10, 900), False)]
)
def test_a_picture_is_wide_by_its_shape_or_its_size(size: tuple[int, int], wide: bool, tmp_path: Path) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert _wide(tmp_path / "a.png") == wide
    kept = (tmp_path / "a.png").read_bytes()
    assert _small(tmp_path / "a.png") == kept


def test_the_largest_picture_that_stays_as_it_is(tmp_path: Path) -> None:
    for side, stays in ((1800, True), (1801, False)):
        Image.new("RGB", (10, side)).save(tmp_path / "a.png")
        assert (_small(tmp_path / "a.png") == (tmp_path / "a.png").read_bytes()) == stays


def test_the_page_and_its_markdown_say_what_they_said(tmp_path: Path) -> None:
    (tmp_path / "Q1").mkdir()
    Image.new("RGB", (4, 3)).save(tmp_path / "Q1" / "a.png")
    first = answered(figures=[("a picture", tmp_path / "Q1" / "a.png")])
    second = answered(question=question(change=""), steps=[], findings={}, claims=[], tables=[])
    asked = Assignment("T", "C", "About it.\n", [])
    results = {
        "mode": "fast", "questions": [1, 2], "coldframe": "V", "command": "coldframe reproduce x", "missing": ["data"],
        "machine": {"cpu": "one", "gpu": None, "note": ""},
    }  # fmt: skip
    page = save(results, asked, [first, second], tmp_path).read_text()
    body = re.sub(r"<(style|script).*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    body = re.sub(r"coldframe \d[\w.+-]*", "VERSION", re.sub(r"\n\s*\n+", "\n", body))
    body = re.sub(r"data:image/[^\"]+", "PICTURE", body)
    same_text(__file__, "assignment", body)
    text = markdown(results | {"mode": "full", "questions": [1], "missing": []}, asked, [first], tmp_path)
    same_text(__file__, "assignment_md", f"{(tmp_path / 'report.md').read_text()}---\n{text}")
    assert "Time: " not in markdown(results, asked, [second], tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["missing"] == ["data"]
