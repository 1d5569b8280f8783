"""Write docs/benchmarks.md, every measurement at a glance, from the pages of docs/results and from bench/RESULTS.md.

A measurement is a section with a table: its title, the command that makes it, and its first table, as the results file has
them. ``python tools/benchmarks.py`` writes the page; ``--check`` fails where the page is older than a results file, or where a
results file names no command.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
SPEED = ROOT / "bench" / "RESULTS.md"
HEAD = """# All measurements

<!-- written by tools/benchmarks.py -->

The first table of each results page, and the command that makes it. The pages themselves say what was measured, on which
machine, with how many seeds, and what was not. `python tools/benchmarks.py` writes this page from them, and CI fails when it is
out of date.
"""
_TABLE = re.compile(r"^\|.*\|\n\|[-: |]+\|\n(?:\|.*\|\n?)+", re.MULTILINE)
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:python |coldframe )[^`]+")
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def command(text: str) -> str:
    """Return the first command of a text, fenced or between backquotes, on one line; nothing where it names none."""
    for found in re.finditer(r"^```\n(.*?)^```|`([^`]+)`", text, re.DOTALL | re.MULTILINE):
        words = (found[1] or found[2]).replace("\\\n", " ")
        first = words.strip().split("\n\n")[0] if found[2] else words.strip().splitlines()[0]
        if _COMMAND.fullmatch(first.strip()):
            return " ".join(first.split())
    return ""


def table(text: str, source: Path) -> str:
    """Return the first table of a text, its links bent to lead from docs/; nothing where it has none."""

    def bent(found: re.Match[str]) -> str:
        if re.match(r"[a-z]+:", found[2]):
            return found[0]
        place = (source.parent / found[2]).resolve()
        ups = "" if place.is_relative_to(PAGE.parent) else "../"
        return f"{found[1]}{ups}{place.relative_to(PAGE.parent if not ups else ROOT).as_posix()}{found[3]}"

    found = _TABLE.search(text)
    return _LINK.sub(bent, found[0].strip()) if found else ""


def accuracy(page: Path) -> str:
    """Return the section of a results page: its title with a link, its command, its first table."""
    text = page.read_text(encoding="utf-8")
    title, made, first = text.partition("\n")[0].removeprefix("# "), command(text), table(text, page)
    if not made or not first:
        raise SystemExit(f"expected a command and a table in {page.relative_to(ROOT)}, found none; a figure needs both")
    of = re.findall(r"^## (.+)$", text[: text.index(first.partition("\n")[0])], re.MULTILINE)[-1:]
    about = "".join(f"{name}:\n\n" for name in of)
    return f"### {title}\n\n`{made}`\n\n{about}{first}\n\n[The whole page]({page.relative_to(PAGE.parent).as_posix()})\n"


def speed(text: str) -> list[str]:
    """Return the sections of bench/RESULTS.md that have a table: title, command, first table."""
    parts = []
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, first = block.partition("\n")[0], table(block, SPEED)
        title, made = heading.partition(" (`")[0], command(heading)
        if not made:
            raise SystemExit(f"expected a command in the heading {heading!r} of bench/RESULTS.md, found none")
        if first:
            parts.append(f"### {title}\n\n`{made}`\n\n{first}\n")
    return parts


def written() -> str:
    """Return the page."""
    pages = sorted((ROOT / "docs" / "results").glob("*.md"))
    text = SPEED.read_text(encoding="utf-8")
    more = "[All figures of speed, and how they were measured](../bench/RESULTS.md)\n"
    return "\n".join([HEAD, "## Accuracy and behaviour\n", *map(accuracy, pages), "## Speed\n", more, *speed(text)])


def main() -> None:
    """Write, or check, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    made = written()
    if not parser.parse_args().check:
        PAGE.write_text(made, encoding="utf-8")
        return
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
        sys.exit("docs/benchmarks.md is older than docs/results or bench/RESULTS.md; run python tools/benchmarks.py")
    print("docs/benchmarks.md is up to date")


if __name__ == "__main__":
    main()
