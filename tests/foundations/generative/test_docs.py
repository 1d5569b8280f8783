"""The example of docs/vae.md and those of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "vae.md"


def test_the_pages_example_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, PAGE.name, "exec"), names)
    assert tuple(getattr(names["between"], "shape")) == (5, 28, 28)  # noqa: B009
    assert float(names["tighter"]) > 0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bounds", "vae"])
def test_docstring_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"coldframe.foundations.generative.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
