"""An assignment of a course: its questions as they are written down, and what was found for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from coldframe.errors import InputError, nearest

Mode = Literal["fast", "full"]
Unit = Literal["percent", "plain", "seconds", "ms", "MiB", "fact", "value"]


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
    shown: list[Shown] = msgspec.field(default_factory=list)


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


@dataclass
class Ran:
    """One step as it ran.

    Args:
        name: of the step.
        command: as a reader types it; empty where there was none to run.
        seconds: how long it took, the time of earlier attempts left out.
        processor: seconds of the processor, which other work on the machine hardly changes.
        missing: what the command wanted and this machine lacks.
        failed: the sentence it failed with.
    """

    name: str
    command: str
    seconds: float = 0.0
    processor: float = 0.0
    missing: list[str] = field(default_factory=list)
    failed: str = ""


@dataclass(frozen=True)
class Finding:
    """A number that was read.

    Args:
        number: which.
        value: the mean of what was found; None where there is nothing.
        low: lower end of its 95% interval, or None.
        high: upper end.
        over: what the interval is over, in words.
        shown: the value as text, with its interval.
        verdict: how it stands to the published one; empty where none is.
    """

    number: Number
    value: Any
    low: float | None
    high: float | None
    over: str
    shown: str
    verdict: str

    @property
    def brief(self) -> str:
        """The value without its interval, as a sentence has it."""
        if "\n" in self.shown:
            return "; ".join(self.shown.split("\n"))
        return self.shown if self.low is None else re.sub(r" \([^()]* to [^()]*\)", "", self.shown)


@dataclass
class Answered:
    """A question with what was found.

    Args:
        question: as the assignment has it.
        steps: its commands, as they ran.
        findings: its numbers.
        claims: claim -> (verdict, what was compared).
        tables: (caption, head and lines).
        figures: (caption, file).
        answer: the text, its numbers filled in.
    """

    question: Question
    steps: list[Ran]
    findings: dict[str, Finding]
    claims: list[tuple[str, str, str, str]]
    tables: list[tuple[str, list[list[str]]]]
    figures: list[tuple[str, Path]]
    answer: str
