"""The examples of docs/graphs.md and of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from coldframe.foundations import graphs

PAGE = Path(__file__).parents[3] / "docs" / "graphs.md"


def test_the_pages_examples_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(graphs.__path__)])
def test_docstring_examples_run(name: str) -> None:
    module = importlib.import_module(f"{graphs.__name__}.{name}")
    failed, _ = doctest.testmod(module)
    assert failed == 0
