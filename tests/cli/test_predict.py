"""``coldframe predict``: how answers are printed, and what must not stand together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coldframe.cli.predict import predict
from coldframe.errors import InputError
from coldframe.verbs.predict import Prediction

ONE = Prediction("a.png", ("cat", "horse"), (0.75, 0.25))
BOTH = Prediction("b.png", ("cat", "horse"), (0.9, 0.6), set=("cat", "horse"), labels=("cat", "horse"))
NONE = Prediction("c.png", ("cat",), (0.1,), set=("cat",), labels=())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let three answers stand for what is found, and return what was asked for."""
    seen: dict[str, Any] = {"found": [ONE]}

    def run(source: object, images: object, **words: Any) -> list[Prediction]:
        seen.update(words, source=source, images=images)
        return list(seen["found"])

    monkeypatch.setattr("coldframe.verbs.predict.predict", run)
    return seen


def printed(capsys: pytest.CaptureFixture[str], *images: str, **words: Any) -> list[str]:
    predict(*images, device="cpu", **words)
    return capsys.readouterr().out.splitlines()


def test_a_table_has_a_bar_of_thirty_and_says_sets_and_labels(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["found"] = [ONE, BOTH, NONE]
    assert printed(capsys, "x") == [
        "a.png", f"  cat     75.0%  {'█' * 22}", f"  horse   25.0%  {'█' * 8}",
        "b.png", f"  cat     90.0%  {'█' * 27}", f"  horse   60.0%  {'█' * 18}",
        "  labels: cat, horse", "  one of 2: cat, horse",
        "c.png", f"  cat   10.0%  {'█' * 3}", "  labels: none", "  cat alone",
    ]  # fmt: skip
    assert (asked["source"], asked["top"], asked["most"], asked["conformal"]) == ("lite0", 3, 10_000, None)
    printed(capsys, "x", model="other")
    assert asked["source"] == "other"
    printed(capsys, "x", run=Path("runs/a"))
    assert asked["source"] == Path("runs/a")


def test_json_and_csv_have_sets_and_labels_where_they_are(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked["found"] = [ONE, BOTH]
    top = [{"class": "cat", "probability": 0.75}, {"class": "horse", "probability": 0.25}]
    plain: dict[str, Any] = {"file": "a.png", "top": top}
    for words in ({"json": True}, {"format_": "json"}):
        one, both = json.loads("\n".join(printed(capsys, "x", **words)))
        assert one == plain and both["set"] == both["labels"] == ["cat", "horse"]
    assert printed(capsys, "x", format_="csv") == [
        "file,rank,class,probability", "a.png,1,cat,0.750000", "a.png,2,horse,0.250000",
        "b.png,1,cat,0.900000,cat|horse", "b.png,2,horse,0.600000,cat|horse",
    ]  # fmt: skip
    asked["found"] = [BOTH]
    assert printed(capsys, "x", format_="csv")[0] == "file,rank,class,probability,labels"
    asked["found"] = []
    assert printed(capsys, "x", format_="csv") == ["file,rank,class,probability"]


def test_a_figure_of_many_says_how_many_it_shows(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldframe.verbs.predict.draw", lambda found, path: [Path("f.png"), Path("f.svg")])
    for count, said in ((24, "figure: f.png"), (25, "figure: f.png (the first 24 of 25 pictures)")):
        asked["found"] = [ONE] * count
        assert printed(capsys, "x", figure=Path("f"))[-1] == said


def test_a_file_of_answers_is_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.verbs.answer_file.answer_file", lambda *_, **__: (12345, 1678, 0.91234))
    assert printed(capsys, "x", out=Path("a.csv")) == ["a.csv: 12,345 pictures"]
    said = "a.csv: 12,345 pictures, 1,678 of them less sure than 0.912 and without a class"
    assert printed(capsys, "x", out=Path("a.csv"), run=Path("r"), abstain=0.9) == [said]


@pytest.mark.parametrize(
    ("images", "words", "said"),
    [
        ((), {}, "at least one image file"), (("x",), {"run": Path("r"), "model": "m"}, "--model or --run, found both"),
        (("x",), {"abstain": 0.0}, "--out beside --abstain"), (("x",), {"run": Path("r"), "fit_": "pad"}, "--run or --fit"),
    ],
)  # fmt: skip
def test_what_must_not_stand_together(images: tuple[str, ...], words: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        predict(*images, **words)
