"""What the README says is true: its Python runs, its commands and links exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coldframe import registry
from coldframe.cli import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_twenty_lines_run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) <= 23
    exec(compile(code, "README.md", "exec"), {})
    first, *printed = capsys.readouterr().out.splitlines()
    score, l2 = map(float, first.split())
    assert 0.7 < score <= 1 and l2 > 0
    assert any("linear probe" in line for line in printed) and len(printed) < 35
    path, picture, array = (line.rsplit(" ", 1) for line in printed[-3:])
    assert path[0] == picture[0] == array[0]  # a path, a picture and an array of one photo have one answer
    assert float(path[1]) == pytest.approx(float(picture[1]), abs=1e-5) == pytest.approx(float(array[1]), abs=1e-5)


def test_every_verb_and_method_is_named() -> None:
    for verb in VERBS:
        assert re.search(rf"`(coldframe )?{verb}\b", README), verb
    for method in registry.METHODS:
        assert f"`{method}`" in README, method


def test_commands_and_links_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
