"""Answer an assignment: run the commands of its questions, read their results, write the page; resumed where it stood."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.errors import ColdframeError
from coldframe.files.reading import read as read_typed
from coldframe.files.writing import holding
from coldframe.measures import machine
from coldframe.results.assignment import Answered, Assignment, Mode, Question, Ran, Step
from coldframe.verbs import assignment as assignments
from coldframe.verbs.findings import decided, finding, table_of
from coldframe.version import __version__

Say = Callable[[str], None]
Execute = Callable[[Sequence[str], Path], None]
"""Runs the words after ``coldframe``; what it prints goes to ``output.txt`` in the folder. Raises where it fails."""

PHOTOS = {"photo-1": ("dog", 0), "photo-2": ("ship", 0), "photo-3": ("airplane", 0), "photo-4": ("automobile", 0)}
"""Test pictures of ``mini:caltech7`` that commands name as ``{photos}/photo-1.png``: class, and which of its images."""


@dataclass
class Reproduction:
    """An assignment, as far as it is answered.

    Args:
        name: of the assignment.
        assignment: its questions.
        mode: ``fast`` or ``full``.
        answered: the questions that were asked for.
        out: the folder.
        machine: where it ran.
        only: what of it was asked for; all where empty.
    """

    name: str
    assignment: Assignment
    mode: Mode
    answered: list[Answered]
    out: Path
    machine: dict[str, Any]
    only: Sequence[str] = ()

    @property
    def missing(self) -> list[str]:
        """Return what commands wanted and this machine lacks, each once."""
        return list(dict.fromkeys(what for one in self.answered for step in one.steps for what in step.missing))

    @property
    def failures(self) -> list[str]:
        """Return a sentence for each command that failed."""
        return [f"{one.question.id} {s.name}: {s.failed}" for one in self.answered for s in one.steps if s.failed]

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        questions = []
        for one in self.answered:
            numbers = [
                {
                    "name": name, "label": f.number.label, "value": f.value, "low": f.low, "high": f.high, "over": f.over,
                    "unit": f.number.unit, "published": f.number.published, "source": f.number.source, "verdict": f.verdict,
                }
                for name, f in one.findings.items()
            ]  # fmt: skip
            claims = [
                {"says": says, "verdict": said, "compared": compared, "because": because}
                for says, said, compared, because in one.claims
            ]
            questions.append({
                "id": one.question.id, "title": one.question.title, "answer": one.answer, "numbers": numbers, "claims": claims,
                "steps": [vars(step) for step in one.steps],
            })  # fmt: skip
        command = f"coldframe reproduce {self.name} --{self.mode}" + (f" --only {','.join(self.only)}" if self.only else "")
        return {
            "coldframe": __version__, "command": command, "machine": self.machine,
            "title": self.assignment.title, "mode": self.mode, "missing": self.missing, "questions": questions,
        }  # fmt: skip


@dataclass
class _Done:
    """``step.json``: a step that is finished, and the command that it is the result of."""

    command: str
    seconds: float
    processor: float = 0.0


def reproduce(
    name: str, *, only: Sequence[str] = (), mode: Mode = "fast", out: Path, say: Say, execute: Execute | None = None
) -> Reproduction:
    """Answer the questions of an assignment in order; the page is written anew after each.

    A step whose command has run to its end with the same ``out`` is not run again; one that was stopped goes on as its
    verb does. A command that fails leaves its question without those numbers, and the others are answered.

    Args:
        name: of the assignment, or a TOML file.
        only: questions, such as ``Q2.3``, or beginnings of their names; all when empty.
        mode: ``fast`` for bundled data, ``full`` for the real one where it is.
        out: folder of all results.
        say: told what begins.
        execute: runs a command; a process of its own when left out.

    Raises:
        InputError: an unknown assignment or question.
        ColdframeError: another process answers into the same folder.
    """
    asked = assignments.read(name)
    chosen = asked.chosen(only)
    found = Reproduction(name, asked, mode, [], out, machine("cpu"), only)
    minutes = sum(question.minutes[mode == "full"] for question in chosen)
    say(f"{name} --{mode}: {len(chosen)} question{'s' * (len(chosen) != 1)}, about {max(1, minutes):.0f} min on two idle cores")
    out.mkdir(parents=True, exist_ok=True)
    with holding(out / ".lock") as alone:
        if not alone:
            raise ColdframeError(f"another process answers into {out}; wait for it, or choose another --out")
        for question in chosen:
            steps = [_run(question, step, mode, out, say, execute or by_process) for step in question.steps]
            found.answered.append(answered(question, steps, out / question.id))
            _write(found)
    return found


def _run(question: Question, step: Step, mode: Mode, out: Path, say: Say, execute: Execute) -> Ran:
    folder = out / question.id / step.name
    command, lacking = assignments.command_of(step, mode)
    for what in lacking:
        say(f"{question.id} {step.name}: missing {what}; {'the fast command stands in' if command else 'left out'}")
    if not command:
        return Ran(step.name, "", missing=lacking)
    places = {"out": folder, "here": folder.parent, "root": out, "photos": out / "photos"}
    done = Ran(step.name, assignments.spoken(command, places), missing=lacking)
    record = folder / "step.json"
    if record.is_file():
        before = read_typed(record, _Done, remedy="delete it")
        if before.command == done.command:
            done.seconds, done.processor = before.seconds, before.processor
            return done
        files.remove_folder(folder)
    if "{photos}" in command:
        _photos(out / "photos")
    say(f"{question.id} {step.name}: {done.command}")
    folder.mkdir(parents=True, exist_ok=True)
    started, spent = time.perf_counter(), _processor()
    try:
        execute(assignments.words(command, places), folder)
    except ColdframeError as error:
        done.failed = str(error)
        say(f"  failed: {error}")
    done.seconds, done.processor = round(time.perf_counter() - started, 1), round(_processor() - spent, 1)
    if not done.failed:
        files.write_json(record, vars(_Done(done.command, done.seconds, done.processor)))
    return done


def _processor() -> float:
    """Return the processor's seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def by_process(arguments: Sequence[str], folder: Path) -> None:
    """Run ``coldframe`` with these arguments in a process of its own.

    Raises:
        ColdframeError: it ended with an error; the sentence is its own last one.
    """
    with (folder / "output.txt").open("wb") as output, (folder / "messages.txt").open("wb") as messages:
        code = subprocess.run(
            [sys.executable, "-m", "coldframe", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=messages,
            check=False,
        ).returncode
    if code == 130 or code < 0:
        raise KeyboardInterrupt
    if code:
        lines = (folder / "messages.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ColdframeError((lines[-1] if lines else f"it ended with code {code}").removeprefix("coldframe: "))


def _photos(folder: Path) -> None:
    """Write the bundled photographs that commands name."""
    from coldframe.data import load_dataset
    from coldframe.data.own_png import as_png

    if all((folder / f"{name}.png").is_file() for name in PHOTOS):
        return
    test = load_dataset("mini:caltech7").test
    for name, (word, number) in PHOTOS.items():
        index = int((test.labels == test.classes.index(word)).nonzero()[0][number])
        files.write_bytes(folder / f"{name}.png", as_png(test.images.open(index)))


def answered(question: Question, steps: Sequence[Ran], folder: Path) -> Answered:
    """Return what the folder of a question holds."""
    findings = {number.name: finding(number, folder) for number in question.numbers}
    for step in steps:
        lost = [f for f in findings.values() if f.number.step == step.name and f.value is None and not f.number.full]
        if lost and step.command and not step.failed:
            step.failed = f"expected {lost[0].number.at} in its {lost[0].number.file}, found nothing there"
    claims = [(claim.says, *decided(claim, findings), claim.because) for claim in question.claims]
    tables, figures = [], []
    for shown in question.shown:
        if shown.file:
            found = sorted((folder / shown.step).glob(shown.file))
            figures += [(shown.caption, path) for path in found]
            for step in steps:
                if step.name == shown.step and step.command and not step.failed and not found:
                    step.failed = f"expected the picture {shown.file} among its results, found none"
        elif table := table_of(shown, folder):
            tables.append((shown.caption, table))
    text = question.answer
    for name, one in findings.items():
        text = text.replace("{" + name + "}", one.brief)
    # What only the full run measures has no line in a fast one.
    findings = {name: one for name, one in findings.items() if one.value is not None or not one.number.full}
    return Answered(question, list(steps), findings, claims, tables, figures, " ".join(text.split()))


def _write(found: Reproduction) -> None:
    from coldframe.report.assignment import save

    save(found.results(), found.assignment, found.answered, found.out)
