"""Every command that README and docs show: its words are understood, and every recipe runs, made small."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclopts import MissingArgumentError
from fakes import tiny_clip
from PIL import Image

from coldframe.cli.fit import method_app
from coldframe.cli.guard import command_line
from coldframe.cold import ColdPass, Store
from coldframe.methods import method_class
from coldframe.verbs.plan import Part, read, recipes
from coldframe.verbs.sweep import sweep

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "docs" / "courses"
"""Pages that ``reproduce`` wrote; their commands are those of the recipes, which tests/verbs/test_assignment.py reads."""
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if not page.is_relative_to(WRITTEN)]
PAGES = [ROOT / "README.md", *PAGES, ROOT / "bench" / "RESULTS.md"]
STAND_INS = {"PLAN": "prompting", "METHOD": "linear-probe", "NETWORK": "mlp", "MODELS": "lite0"}
"""What a page writes for something of the reader's own -> a thing of that kind."""


def commands(text: str) -> list[str]:
    """Return the commands of a page: lines of code blocks, joined where they go on, and code between backticks with options."""
    text = re.sub(r"\s*\\\n\s*", " ", text)
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks += re.findall(r"(?:^ {4}\S.*\n)+", text, re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]
    found = []
    for line in lines:
        words = re.sub(r"^(?:\w+=\S+ )*", "", line)  # variables before the command
        words = re.split(r"\s#\s|\s{2,}", words)[0]  # what the page says of the command
        if re.match(r"coldframe [a-z]", words) and "..." not in words:
            found.append(words)
    return found


def documented() -> list[tuple[str, str]]:
    """Return (page, command), each command once."""
    seen: dict[str, str] = {}
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            seen.setdefault(command, str(page.relative_to(ROOT)))
    return [(page, command) for command, page in seen.items()]


def test_the_pages_are_read() -> None:
    found = [command for _, command in documented()]
    assert len(found) > 70
    assert "coldframe evaluate RUN --data mini:cifar10+mini:mnist" in found
    assert "coldframe train mlp --linear" in found  # the page's own words behind a command are none of it
    text = "```\ncoldframe a \\\n  b   words\n```\n\n    X=1 coldframe c   # why\n\nor `coldframe d\n--e`, `colder f`\n"
    assert commands(text) == ["coldframe a b", "coldframe c", "coldframe d --e"]


@pytest.mark.parametrize(("page", "command"), documented(), ids=[command[10:70] for _, command in documented()])
def test_every_word_is_understood(page: str, command: str) -> None:
    """Options exist, values have their types and nothing that is needed is missing; the verb itself is not run."""
    words = [STAND_INS.get(word, word) for word in shlex.split(re.sub(r"[][]", "", command))[1:]]
    app: Any = command_line()
    if words[0] == "fit" and len(words) > 1:
        app, words = method_app(words[1]), words[2:]
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except MissingArgumentError:
        # A sentence that names a verb, such as `coldframe evaluate`, need not say all that the verb needs; a block does.
        assert command in sentences(page)


def sentences(page: str) -> list[str]:
    """Return the commands that a page names in its running text."""
    text = re.sub(r"^```.*?^```|^ {4}.*?$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return commands(text)


def small(part: Part) -> Part:
    """Return a part of a plan at the smallest size that still varies what it varies, on a network of three blocks."""
    settings = dict(part.settings)
    if "epochs" in method_class(part.method).settings():
        settings |= {"epochs": 1}
    grid = {}
    for name, values in part.grid.items():
        some = list(values) if "+" in name else list(values)[-1:]
        grid[name] = [min(value, 1) for value in some] if name == "layer" else some
    return replace(part, settings=settings, grid=grid)


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_runs_made_small(name: str, tmp_path: Path) -> None:
    plan = read(name)
    for label, colour in enumerate(("red", "green")):
        (tmp_path / "data" / colour).mkdir(parents=True)
        for number in range(6):
            picture = Image.new("RGB", (20, 20), (200 * (1 - label), 200 * label, 9 * number))
            picture.save(tmp_path / "data" / colour / f"{number}.png")
    plan = replace(plan, parts=tuple(small(part) for part in plan.parts), data=(str(tmp_path / "data"),), seeds=1, shots=None)
    done = sweep(plan, model=tiny_clip(), cold=ColdPass(Store(tmp_path / "store")))
    assert len(done.lines) == sum(len(part.cells()) for part in plan.parts)
    assert all(line.group.mean("top1") is not None for line in done.lines)
