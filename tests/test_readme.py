"""What the README says is true: its Python runs, its commands and links exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coldframe import registry
from coldframe.cli import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_five_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    score, l2 = capsys.readouterr().out.split()
    assert 0.7 < float(score) <= 1
    assert float(l2) > 0


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
