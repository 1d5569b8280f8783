"""The examples of docs/mlp.md, docs/batch-norm.md and of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(("page", "expected"), [("mlp.md", 2), ("batch-norm.md", 1)])
def test_a_pages_examples_run_in_order(page: str, expected: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == expected
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)


@pytest.mark.parametrize("name", [
    "foundations.mlp.gradients", "foundations.mlp.network", "foundations.mlp.scores", "foundations.mlp.twin",
    "foundations.batch_norm.dot_product", "folding",
])  # fmt: skip
def test_docstring_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"coldframe.{name}"))
    assert result.attempted > 0 and result.failed == 0
