"""``coldframe reproduce``: its list, its page, its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coldframe.cli import main
from coldframe.cli.reproduce import reproduce
from coldframe.results.assignment import Assignment, Finding, Number, Question


def test_without_a_name_it_lists_the_assignments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["reproduce"])
    said = capsys.readouterr().out
    assert "uva-a2" in said and "Q2.3" in said and "P7.2" in said


def test_one_question_by_real_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["reproduce", "uva-a2", "--only", "Q3.3", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "The maximum is not linear: yes" in said and "report:" in said
    assert "max(X + Y) = " in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"), [(["uva-a2", "--fast", "--full"], "choose one"), (["uva-a9"], "unknown assignment")]
)
def test_bad_input_gets_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reproduce", *words])
    assert said in capsys.readouterr().err


def test_findings_are_printed_beside_what_was_published_and_matrices_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    numbers = [("one", "a", 0.5, "0.5"), ("two", "b", None, "0 1\n1 0")]
    findings = {
        name: Finding(Number(name, label, "s", "x", published=published), 1, None, None, "", shown, "")
        for name, label, published, shown in numbers
    }
    claims = [("more", "holds", "a against b", ""), ("less", "not measured", "", "")]
    one = SimpleNamespace(question=SimpleNamespace(id="Q1", title="T"), findings=findings, claims=claims)
    done = SimpleNamespace(answered=[one], missing=["data"], failures=[], results=lambda: {"a": 1})
    monkeypatch.setattr("coldframe.verbs.reproduce.reproduce", lambda name, **more: asked.append(more) or done)
    reproduce("x/uva.toml", only=["Q1,Q2"])
    assert capsys.readouterr().out.splitlines() == [
        "Q1 T", "  a: 0.5   published 0.5", "  b:", "    0 1", "    1 0", "  more: holds (a against b)", "  less: not measured",
        "missing: data", f"report: {Path('runs/uva-fast/report.html')}",
    ]  # fmt: skip
    assert asked[0]["mode"] == "fast" and asked[0]["only"] == ["Q1", "Q2"] and asked[0]["out"] == Path("runs/uva-fast")
    reproduce("uva", full=True, json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    assert asked[1]["mode"] == "full" and asked[1]["only"] == () and asked[1]["out"] == Path("runs/uva-full")


def test_the_list_adds_up_minutes_and_says_at_least_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [Question(f"Q{i}", "t", "?", "!", minutes=m) for i, m in enumerate([(0.2, 3.0), (0.3, 4.6)])]
    each = Assignment("T", "C", "", questions)
    monkeypatch.setattr("coldframe.verbs.assignment.assignments", lambda: ["known"])
    monkeypatch.setattr("coldframe.verbs.assignment.read", lambda name: each)
    reproduce()
    first, second = capsys.readouterr().out.splitlines()
    assert first == "known         T: Q0, Q1"
    assert second == "              on two idle cores about 1 min with --fast, 8 min with --full"
