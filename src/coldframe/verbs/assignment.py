"""An assignment of a course as data: its questions, the commands they stand for, what is read from the results."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from coldframe.errors import InputError, nearest
from coldframe.files.reading import read_toml
from coldframe.files.system import data_root

Mode = Literal["fast", "full"]
Unit = Literal["percent", "plain", "seconds", "ms", "MiB", "fact", "value"]
DATA = "{data}"
"""Stands for the folder of data in commands; on pages it is written as ``$COLDFRAME_DATA``."""


class Step(Struct, forbid_unknown_fields=True):
    """One command of a question.

    Args:
        name: the folder of its results.
        fast: the command for bundled data, without ``coldframe``; empty where there is none.
        full: the command for the real data; empty where it is the fast one.
        needs: what has to be on this machine, such as ``data peppers.jpg``, ``package NAME`` or ``weights FILE``.
        full_needs: what the full command needs beside it.
    """

    name: str
    fast: str = ""
    full: str = ""
    needs: list[str] = []
    full_needs: list[str] = []


class Number(Struct, forbid_unknown_fields=True):
    """A number that is read from the results of a step.

    Args:
        name: what claims and answers call it.
        label: in words.
        step: the step whose results hold it.
        at: where: keys and ``[key=value]`` filters, such as ``rows[method=knn].top1``.
        file: the file in the step's folder.
        n: number of trials, such as test images, where the results do not say it.
        unit: how it is written; ``percent`` are fractions, ``fact`` is true or false, ``value`` is shown as it is.
        published: the published value, in the same unit (fractions for percent).
        source: where it was published.
        because: why ours may differ.
        full: whether only the full command measures it.
    """

    name: str
    label: str
    step: str
    at: str
    file: str = "results.json"
    n: int = 0
    unit: Unit = "percent"
    published: float | None = None
    source: str = ""
    because: str = ""
    full: bool = False


class Claim(Struct, forbid_unknown_fields=True):
    """A sentence that two numbers decide: ``more`` is above ``less``, or above the number ``than``.

    Args:
        says: the claim.
        more: name of the number that should be larger.
        less: name of the number that should be smaller, or nothing.
        than: what ``more`` should be above, where no ``less`` is named.
        because: why it may not hold here.
    """

    says: str
    more: str
    less: str = ""
    than: float = 0.0
    because: str = ""


class Shown(Struct, forbid_unknown_fields=True):
    """A figure or a table of a step.

    Args:
        step: the step.
        caption: what it shows.
        file: a pattern of PNG files in the step's folder; empty for a table.
        rows: where the rows of a table are, as in :class:`Number`.
        columns: pairs of heading and key; a key may end in ``:percent``, ``:plain`` or ``:ms``.
    """

    step: str
    caption: str
    file: str = ""
    rows: str = ""
    columns: list[tuple[str, str]] = []


class Question(Struct, forbid_unknown_fields=True):
    """One question.

    Args:
        id: its number in the assignment.
        title: in a few words.
        asks: what it asks, in short.
        answer: the answer, in which ``{name}`` is a measured number.
        change: what to change to see more, and what will be seen.
        minutes: expected minutes on two cores, fast and full.
        after: questions whose folders its commands read.
    """

    id: str
    title: str
    asks: str
    answer: str
    change: str = ""
    minutes: tuple[float, float] = (0.0, 0.0)
    after: list[str] = []
    steps: list[Step] = []
    numbers: list[Number] = []
    claims: list[Claim] = []
    shown: list[Shown] = field(default_factory=list)


class Assignment(Struct, forbid_unknown_fields=True):
    """An assignment.

    Args:
        title: its name.
        course: whose it is.
        about: what the two modes mean here.
        questions: in order.
    """

    title: str
    course: str
    about: str
    questions: list[Question]

    def chosen(self, only: Sequence[str]) -> list[Question]:
        """Return the questions asked for, and before each those that it builds on, in the assignment's order.

        A name stands for every question that begins with it: ``Q2`` for all of part 2.

        Raises:
            InputError: no question has this name.
        """
        ids = [question.id for question in self.questions]
        wanted: set[str] = set()
        for name in only:
            found = [one for one in ids if one == name] or [one for one in ids if one.startswith(name)]
            if not found:
                raise InputError(f"unknown question {name!r}{nearest(name, ids)}")
            wanted |= set(found)
        wanted = wanted or set(ids)
        for question in reversed(self.questions):
            if question.id in wanted:
                wanted |= set(question.after)
        return [question for question in self.questions if question.id in wanted]


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
