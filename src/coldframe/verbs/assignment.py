"""Reads the assignments of courses, and fills in the commands that their questions stand for."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from coldframe.errors import InputError, nearest
from coldframe.files.reading import read_toml
from coldframe.files.system import data_root
from coldframe.results.assignment import Assignment, Mode, Question, Step

DATA = "{data}"
"""Stands for the folder of data in commands; on pages it is written as ``$COLDFRAME_DATA``."""


def assignments() -> dict[str, Path]:
    """Return the assignments that come with the package, by name."""
    folder = Path(str(resources.files("coldframe.recipes"))) / "courses"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read(name: str) -> Assignment:
    """Return an assignment by its name, or from a TOML file of one's own.

    Raises:
        InputError: there is no such assignment, or a question of it names a step or a number that it does not have.
    """
    known = assignments()
    path = known.get(name, Path(name))
    if not path.is_file():
        raise InputError(f"unknown assignment {name!r}{nearest(name, known)}")
    found = read_toml(path, Assignment)
    for question in found.questions:
        _check(question, [one.id for one in found.questions], path)
    return found


def _check(question: Question, ids: Sequence[str], path: Path) -> None:
    steps, numbers = [step.name for step in question.steps], [number.name for number in question.numbers]
    for what, names, known in (
        ("step", [*(n.step for n in question.numbers), *(s.step for s in question.shown)], steps),
        ("number", [name for claim in question.claims for name in (claim.more, claim.less) if name], numbers),
        ("number", re.findall(r"\{(\w+)\}", question.answer), numbers),
        ("question", question.after, ids),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"{path}, {question.id}: unknown {what} {name!r}{nearest(name, known)}")
    if len(set(steps)) < len(steps) or len(set(numbers)) < len(numbers):
        raise InputError(f"{path}, {question.id}: expected each step and each number to have a name of its own")


def command_of(step: Step, mode: Mode) -> tuple[str, list[str]]:
    """Return the command of a step in a mode, and what it lacks here.

    Where the full command lacks something, the fast one stands in for it, and what is missing is returned beside it.
    """
    always = missing(step.needs)
    if mode == "full" and (step.full or step.full_needs):
        lacking = [*always, *missing(step.full_needs)]
        if not lacking:
            return step.full or step.fast, []
        return ("" if always else step.fast), lacking
    return ("" if always else step.fast), always


def missing(needs: Sequence[str]) -> list[str]:
    """Return a sentence for each thing that is not on this machine."""
    root, said = data_root(), []
    for need in needs:
        kind, _, name = need.partition(" ")
        if kind == "data":
            if root is None:
                said.append(f"{name}: expected it in the folder that COLDFRAME_DATA names, but COLDFRAME_DATA is not set")
            elif not (root / name).exists():
                said.append(f"{name}: expected a file or folder of this name in {root}, found none")
        elif kind == "package":
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                said.append(f"{name}: expected this package, found none; pip install {name}")
        elif kind == "weights":
            from coldframe.backbones import load_backbone
            from coldframe.errors import ColdframeError

            try:
                load_backbone(name)
            except ColdframeError as error:
                why = str(error).partition(";")[0]
                said.append(why if name in why else f"weights of {name}: {why}")
        else:
            raise InputError(f"expected needs such as 'data NAME', 'package NAME' or 'weights NAME', found {need!r}")
    return said


def words(command: str, places: Mapping[str, Any]) -> list[str]:
    """Return the words of a command with its ``{places}`` filled in."""
    root = data_root()
    known = {"data": "" if root is None else str(root), **{name: str(value) for name, value in places.items()}}

    def fill(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise InputError(f"unknown place {found[0]} in the command {command!r}{nearest(found[1], known)}")
        return known[found[1]]

    return [re.sub(r"\{(\w+)\}", fill, word) for word in shlex.split(command)]


def spoken(command: str, places: Mapping[str, Any]) -> str:
    """Return the command as a reader types it."""
    filled = re.sub(r"\{(\w+)\}", lambda found: str(places.get(found[1], found[0])), command.replace(DATA, "$COLDFRAME_DATA"))
    return " ".join(["coldframe", *(f'"{word}"' if re.search(r"[\s?&{*]", word) else word for word in shlex.split(filled))])
