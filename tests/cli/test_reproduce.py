"""``coldframe reproduce``: its list, its page, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldframe.cli import main


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
