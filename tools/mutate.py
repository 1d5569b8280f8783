"""How many random one-token changes of the source do the tests notice?

Each change is made in a copy of ``src``: a number, a comparison, an operator, a truth value. First every change meets the tests
of its file: that of its name and those that ``tests/test_architecture.py`` names for it. Those that they do not see meet the
others of the room, which take longer. A test that fails without the change as well says nothing, and stops the count. What
nobody notices is printed with its place: a test is missing there, or the change means nothing. The changes are drawn from a
seed, so that anyone can take the figure again. The value of ``strict`` in a call of ``zip`` is left out: on lists that always
have one length it changes nothing, so that no test could notice it:

    make mutate                                   # 50 changes
    python tools/mutate.py --count 10 --seed 3 --room measures
    python tools/mutate.py --part 2/5             # changes 11 to 20 of the 50
    python tools/mutate.py --own                  # by the tests of each file alone
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TESTS = ROOT / "src" / "coldframe", ROOT / "tests"
COMPARISONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
PROCESSOR, CLOCK = 600, 1800
"""Seconds of the processor and of the clock for one run of tests; a change that makes them hang counts as noticed."""
HUNG = "a limit of time"
HEAVY = ("torch", "torchvision", "timm", "open_clip", "matplotlib.pyplot", "pyarrow.parquet", "cyclopts", "jinja2", "sklearn")
"""Imported once for all runs of tests."""
WORDS = ("-q", "-x", "-n", "0", "-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""What pytest is told; it cannot look into the assertions of what is imported already, and need not."""
FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\[\n]*?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)
"""A line of pytest's summary: the test's whole name, whose parameters may hold spaces, then perhaps the error."""


@dataclass(frozen=True)
class Change:
    """One token of one file.

    Args:
        path: the file.
        start: of the token, in bytes.
        stop: its end.
        old: what stands there.
        new: what is put there.
        line: its line.
    """

    path: Path
    start: int
    stop: int
    old: str
    new: str
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.old} -> {self.new}"


def changes(path: Path) -> list[Change]:
    """Return every change of one token that can be made in a file; texts, annotations and imports are left alone."""
    raw = path.read_bytes()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []

    def at(line: int | None, column: int | None) -> int:
        return starts[(line or 1) - 1] + (column or 0)

    def between(left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        begin, end = at(left.end_lineno, left.end_col_offset), at(right.lineno, right.col_offset)
        place = raw[begin:end].decode().find(old)
        if place >= 0:
            found.append(Change(path, begin + place, begin + place + len(old), old, new, left.end_lineno or 1))

    for node in _code(ast.parse(raw)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            old = ast.get_source_segment(raw.decode(), node) or ""
            new = str(not node.value) if isinstance(node.value, bool) else repr(node.value + 1)
            begin, end = at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)
            found.append(Change(path, begin, end, old, new, node.lineno))
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, kind, right in zip(sides, node.ops, sides[1:], strict=False):
                between(left, right, *COMPARISONS[type(kind)])
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            between(node.left, node.right, *OPERATORS[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            between(node.values[0], node.values[1], *OPERATORS[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            start = at(node.lineno, node.col_offset)
            found.append(Change(path, start, start + 4, "not ", "", node.lineno))
    return found


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run: no annotations, no formatted texts (their places are not kept), no ``strict`` of zip."""
    skipped = {"annotation", "returns"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in skipped and not isinstance(child, ast.JoinedStr):
                if isinstance(node, ast.Call) and _strict_of_zip(node, child):
                    continue
                yield child
                yield from _code(child)


def _strict_of_zip(call: ast.Call, child: ast.AST) -> bool:
    named = isinstance(call.func, ast.Name) and call.func.id == "zip"
    return named and isinstance(child, ast.keyword) and child.arg == "strict" and isinstance(child.value, ast.Constant)


def tests_of(path: Path) -> tuple[list[str], list[str]]:
    """Return what runs for a change in a file: the test of its name and those named for it, then the others of its room."""
    place = path.relative_to(SOURCE)
    own, room = TESTS / place.parent / f"test_{place.stem}.py", TESTS / place.parent
    named = re.search(rf'"{re.escape(place.as_posix())}": "(.*)"', (TESTS / "test_architecture.py").read_text(encoding="utf-8"))
    first = [own, *(ROOT / found for found in re.findall(r"tests/[\w/]+\.py", named[1] if named else ""))]
    rest = [test for test in sorted(room.glob("test_*.py")) if test not in first]
    return [str(test) for test in first if test.exists()], [str(test) for test in rest]


def failed(tests: list[str], source: Path) -> str:
    """Run tests on a source; return the first that fails, ``"a limit of time"`` for one that hangs, or an empty text.

    They run in a copy of this process, which has imported torch and its like already; that halves the time.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _run([*WORDS, *tests], source, output.fileno())
        end, status = time.monotonic() + CLOCK, None
        while status is None:
            done, found = os.waitpid(child, os.WNOHANG)
            status = found if done else None
            if status is None and time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.05)
        output.seek(0)
        said = output.read()
    if os.WIFSIGNALED(status):
        return HUNG
    if os.WEXITSTATUS(status) in (0, 5):
        return ""
    first = FAILED.search(said)
    return first[1] if first else tests[0]


def _run(words: list[str], source: Path, output: int) -> NoReturn:
    """Become pytest; what it says goes to a file."""
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(output, "w", closefd=False), encoding="utf-8", errors="replace")
        sys.argv, sys.dont_write_bytecode = ["pytest", *words], True
        os.chdir(ROOT)
        os.environ |= {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        sys.path[:1] = [str(source), str(ROOT)]
        status = int(pytest.main(words))
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


def noticed(change: Change, copy: Path, tests: list[str]) -> str:
    """Make the change in a copy of the source, run some tests, undo it; return the test that failed, or an empty text.

    Raises:
        RuntimeError: it fails without the change too.
    """
    target = copy / change.path.relative_to(ROOT / "src")
    raw = target.read_bytes()
    try:
        target.write_bytes(raw[: change.start] + change.new.encode() + raw[change.stop :])
        seen = failed(tests, copy) if tests else ""
    finally:
        target.write_bytes(raw)
    if seen and seen != HUNG and failed([seen], copy):
        raise RuntimeError(f"{seen} fails without any change: mend it first")
    return seen


def drawn(count: int, seed: int, room: str) -> list[Change]:
    """Draw changes among all that can be made in a room, none twice; faces and the bundled model's training are left out."""
    files = [path for path in sorted((SOURCE / room).rglob("*.py")) if path.name != "__init__.py"]
    every = [change for path in files if "recipes" not in path.parts for change in changes(path)]
    return random.Random(seed).sample(every, min(count, len(every)))


def tried(chosen: list[Change], room: bool) -> list[Change]:
    """Try changes by the tests of their files, then those left by their rooms; print each and return what nobody noticed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        left = chosen
        for level, words in enumerate(("not noticed by the tests of its file", "MISSED")[: 1 + room]):
            missed = []
            for change in left:
                seen = noticed(change, copy, tests_of(change.path)[level])
                print(f"{chosen.index(change) + 1:3} {f'noticed by {seen}' if seen else words}: {change}", flush=True)
                missed += [] if seen else [change]
            left = missed
            print(f"{len(chosen) - len(left)} of {len(chosen)} noticed so far", flush=True)
    return left


def main() -> None:
    """Draw changes, try each, print the figure and what was not noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="changes to try")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--part", default="1/1", help="which part of the changes to try, such as 2/5")
    parser.add_argument("--room", default="", help="a folder of the source; all when left out")
    parser.add_argument("--own", action="store_true", help="only by the tests of each file, which is quicker")
    asked = parser.parse_args()
    begun = time.monotonic()
    part, parts = map(int, asked.part.split("/"))
    every = drawn(asked.count, asked.seed, asked.room)
    chosen = every[len(every) * (part - 1) // parts : len(every) * part // parts]
    os.environ |= {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "500", "MPLBACKEND": "agg"}
    for name in HEAVY:
        importlib.import_module(name)
    missed = tried(chosen, room=not asked.own)
    print("\n".join(["", "Nobody noticed:", *map(str, missed)] if missed else []))
    print(f"{len(chosen) - len(missed)} of {len(chosen)} changes were noticed ({1 - len(missed) / len(chosen):.0%}, "
          f"seed {asked.seed}, part {asked.part}), {(time.monotonic() - begun) / 60:.0f} minutes")  # fmt: skip


if __name__ == "__main__":
    main()
