"""``coldframe reproduce NAME``: an assignment of a course, question by question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from coldframe.cli import common

Flag = Annotated[bool, Parameter(negative="")]


def reproduce(
    name: str = "",
    *,
    only: list[str] | None = None,
    fast: Flag = False,
    full: Flag = False,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Answer an assignment of a course: each question's commands, figures, numbers beside the published ones, and an answer.

    Without a name it lists the assignments. A stopped run goes on where it stood when it is given the same --out again, and a
    finished command is not run again.

    Parameters
    ----------
    name:
        uva-a1 (perceptrons), uva-a2 (transfer, prompts, graphs), uva-a3 (generative models), cs5787-hw3 (convolutional
        networks), or a TOML file of your own. Without a name the assignments are listed.
    only:
        Questions separated by commas, such as Q2.3; Q2 stands for all that begin so. What they build on runs too.
    fast:
        Bundled data and small settings: an assignment within ten minutes on two idle cores. This is the default.
    full:
        The real data and weights where they are in the folder that COLDFRAME_DATA names; what is missing is said, and the
        fast command stands in for it.
    out:
        Folder of the page (report.html), report.md, results.json and all results; runs/NAME-fast or runs/NAME-full when
        left out.
    json:
        Print results.json to stdout and nothing else.
    """
    import sys

    from coldframe.errors import InputError, visible
    from coldframe.verbs import assignment
    from coldframe.verbs.reproduce import reproduce as run

    if not name:
        for known in assignment.assignments():
            each = assignment.read(known)
            quick, whole = (sum(question.minutes[k] for question in each.questions) for k in (0, 1))
            common.say(f"{known:12}  {each.title}: {', '.join(question.id for question in each.questions)}")
            times = f"{max(1, quick):.0f} min with --fast, {max(1, whole):.0f} min with --full"
            common.say(f"{'':12}  on two idle cores about {times}")
        return
    if fast and full:
        raise InputError("expected --fast or --full, found both; choose one")
    folder = out or Path("runs") / f"{Path(name).stem}-{'full' if full else 'fast'}"
    done = run(
        name, only=common.names(only) or (), mode="full" if full else "fast", out=folder,
        say=lambda line: print(visible(line), file=sys.stderr, flush=True),
    )  # fmt: skip
    if json:
        common.print_json(done.results())
    else:
        for one in done.answered:
            common.say(f"{one.question.id} {one.question.title}")
            for found in one.findings.values():
                beside = f"   published {found.number.published:g}" if found.number.published is not None else ""
                first, *more = found.shown.split("\n")
                if more:
                    first, more = "", [first, *more]
                common.say(f"  {found.number.label}: {first}{beside}".rstrip())
                for line in more:
                    common.say(f"    {line}")
            for says, verdict, compared, _ in one.claims:
                common.say(f"  {says}: {verdict}" + (f" ({compared})" if compared else ""))
        for what in done.missing:
            common.say(f"missing: {what}")
        common.say(f"report: {folder / 'report.html'}")
    common.refuse(done.failures)
