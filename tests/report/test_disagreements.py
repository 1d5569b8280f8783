"""The page about two models that answer differently."""

from __future__ import annotations

import re

import pytest
from drawn import same_text

from coldframe.measures.significance import Paired
from coldframe.report.disagreements import Answered, differing_page, p_value, sentences


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "p = 1"), (0.0321, "p = 0.032"), (0.00034, "p = 0.0003"), (0.00002, "p < 0.0001")]
)
def test_p_values_as_a_person_reads_them(p: float, text: str) -> None:
    assert p_value(p) == text


def test_the_verdict_follows_the_test() -> None:
    counts = (50, 4, 3, 3)
    assert "may be chance" in sentences(("a", "b"), counts, Paired(0.0167, -0.07, 0.1, 60, 1.0))[3]
    assert "more than chance" in sentences(("a", "b"), counts, Paired(0.1, 0.05, 0.15, 60, 0.01))[3]


def test_names_are_text_and_not_markup() -> None:
    nasty = "<script>alert(1)</script>"
    shown = Answered(b"png", nasty, (nasty, 0.9), ("b", 0.5), f"{nasty}.jpg")
    page = differing_page(
        (nasty, "knn"), nasty, (1, 2, 0, 0), Paired(0.5, 0.1, 0.9, 3, 0.5), [(nasty, 3, 2, 0)], ([shown, shown], []), nasty,
        [("data", nasty)],
    )  # fmt: skip
    assert page.count("<script") == 1 and page.count("<figure>") == 2 and "No such image." in page
    assert "--leaf" in page, "the style sheet stands in the page"
    assert "2 images, those first where both are most decided." in page


@pytest.mark.parametrize(("p", "text"), [(0.0001, "p = 0.0001"), (0.001, "p = 0.001"), (0.05, "p = 0.05")])
def test_p_values_at_the_borders(p: float, text: str) -> None:
    assert p_value(p) == text


def test_the_page_says_what_it_said() -> None:
    one = Answered(b"png", "rose", ("rose", 0.905), ("tulip", 0.5), "rose/1.jpg")
    classes = [(f"class {i}", 1000 + i, 2, 3) for i in range(13)]
    page = differing_page(
        ("probe", "knn"), "two models", (1234, 2, 1, 4), Paired(0.001, -0.001, 0.003, 1241, 0.05), classes, ([one], [one]),
        "coldframe disagreements", [("data", "flowers")],
    )  # fmt: skip
    body = re.sub(r"<(style|script).*?</\1>", "", page[page.index("<body") :], flags=re.DOTALL)
    body = re.sub(r"\n\s*\n+", "\n", re.sub(r"coldframe \d[\w.+-]*", "VERSION", body))
    same_text(__file__, "disagreements", body)
    assert "no test." in sentences(("a", "b"), (1, 1, 1, 1), Paired(0.0, -0.1, 0.1, 4, None))[2]


def test_long_names_are_cut_to_forty_letters() -> None:
    page = differing_page(("a" * 60, "b"), "h", (1, 0, 0, 0), Paired(0.0, 0.0, 0.0, 1, None), [], ([], []), "c", [])
    assert f"{'a' * 26}…{'a' * 13} right" in page and "a" * 27 not in page
