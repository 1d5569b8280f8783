"""The page of an assignment, its Markdown and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.report.figures.style import data_uri
from coldframe.report.page import rendered
from coldframe.results.assignment import Answered, Assignment, Number

PICTURE = 900
"""Widest side of a picture on the page, in pixels."""


def save(results: dict[str, Any], assignment: Assignment, answered: Sequence[Answered], out: Path) -> Path:
    """Write ``report.html``, ``report.md`` and ``results.json``; return the page.

    Args:
        results: the value of ``results.json``.
        assignment: title, course and what the modes mean.
        answered: its questions.
        out: the folder.
    """
    files.write_json(out / "results.json", results)
    files.write_text(out / "report.md", markdown(results, assignment, answered, out))
    parts = {
        "title": assignment.title, "headline": f"{assignment.course}. {_about(results)}", "about": assignment.about,
        "missing": results["missing"], "command": results["command"],
        "questions": [_part(one) for one in answered],
        "facts": [(key, str(value)) for key, value in results["machine"].items() if value not in (None, "")],
    }  # fmt: skip
    return files.write_text(out / "report.html", rendered("assignment.html", parts))


def _about(results: dict[str, Any]) -> str:
    kind = "Real data where it is here" if results["mode"] == "full" else "Bundled data, small settings"
    n = len(results["questions"])
    return f"{kind}; {n} question{'s' * (n != 1)} answered by coldframe {results['coldframe']}."


def numbers(one: Answered) -> list[list[str]]:
    """Return a question's numbers, a head and its lines; with the published ones where there are any."""
    known = any(found.number.published is not None for found in one.findings.values())
    ours = "ours (95% interval)" if any(found.low is not None for found in one.findings.values()) else "ours"
    head = ["measured", ours, "over", *(["published", "how they stand", "source"] if known else [])]
    lines = []
    for found in one.findings.values():
        more = [_published(found.number), found.verdict, found.number.source] if known else []
        lines.append([found.number.label, found.shown, found.over, *more])
    return _filled([head, *lines])


def claims(one: Answered) -> list[list[str]]:
    """Return a question's claims, a head and its lines."""
    return _filled([["claim", "here", "compared", "why"], *([*claim] for claim in one.claims)])


def _filled(table: list[list[str]]) -> list[list[str]]:
    """Return a table without the columns that hold nothing; nothing at all where it has no lines."""
    head, *lines = table
    kept = [k for k in range(len(head)) if k < 2 or any(line[k] for line in lines)]
    return [[line[k] for k in kept] for line in table] if lines else []


def _published(number: Number) -> str:
    if number.published is None:
        return ""
    return f"{100 * number.published:.4g}%" if number.unit == "percent" else f"{number.published:g}"


def _time(one: Answered) -> str:
    spent, processor = (sum(getattr(step, name) for step in one.steps) for name in ("seconds", "processor"))
    fast, full = one.question.minutes
    expected = f"expected on two idle cores: {_minutes(fast)} fast, {_minutes(full)} full"
    return f"{expected}; here it took {spent:,.0f} s, {processor:,.0f} s of them on the processor"


def _minutes(value: float) -> str:
    return "under a minute" if value < 1 else f"{value:g} minute{'' if value == 1 else 's'}"


def _part(one: Answered) -> dict[str, Any]:
    return {
        "id": one.question.id, "title": one.question.title, "asks": one.question.asks, "answer": one.answer,
        "change": one.question.change.split("`"), "time": _time(one), "numbers": numbers(one),
        "claims": claims(one),
        "commands": [step.command for step in one.steps if step.command],
        "failed": [f"{step.name}: {step.failed}" for step in one.steps if step.failed],
        "missing": list(dict.fromkeys(what for step in one.steps for what in step.missing)),
        "tables": one.tables, "figures": [(caption, data_uri(_small(path)), _wide(path)) for caption, path in one.figures],
    }  # fmt: skip


def _wide(path: Path) -> bool:
    """Return whether a picture is so wide, or so large, that it needs the whole width of the page."""
    from PIL import Image

    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return image.width > 1.9 * image.height or image.width > 1.2 * PICTURE


def _small(path: Path) -> bytes:
    """Return a picture as it is, or made smaller where it is wider than the page."""
    from PIL import Image

    from coldframe.report.figures.thumbnail import thumbnail

    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return path.read_bytes() if max(image.size) <= 2 * PICTURE else thumbnail(image.convert("RGB"), 2 * PICTURE)


def markdown(results: dict[str, Any], assignment: Assignment, answered: Sequence[Answered], out: Path) -> str:
    """Return the same in Markdown; pictures are named by their place below ``out``."""
    lines = [f"# {assignment.title}", "", f"{assignment.course}. {_about(results)}", "", assignment.about.strip(), ""]
    lines += ["```", results["command"], "```", ""]
    lines += [f"- Missing here: {what}" for what in results["missing"]] + [""] * bool(results["missing"])
    for one in answered:
        lines += [f"## {one.question.id} {one.question.title}", "", f"*{' '.join(one.question.asks.split())}*", ""]
        lines += [one.answer, ""]
        lines += _grid(numbers(one))
        lines += _grid(claims(one))
        for caption, table in one.tables:
            lines += [caption, "", *_grid(table)]
        for caption, path in one.figures:
            lines += [f"![{caption}]({path.relative_to(out).as_posix()})", "", caption, ""]
        if one.question.change:
            lines += [f"**Change this and see.** {' '.join(one.question.change.split())}", ""]
        commands = [step.command for step in one.steps if step.command]
        lines += ["```", *commands, "```", "", f"Time: {_time(one)}.", ""] if commands else []
        lines += [f"- Failed: {step.name}: {step.failed}" for step in one.steps if step.failed]
    facts = ", ".join(f"{key} {value}" for key, value in results["machine"].items() if value not in (None, ""))
    lines += ["## Where it ran", "", f"coldframe {results['coldframe']}: {facts}."]
    return "\n".join(lines).rstrip() + "\n"


def _grid(table: Sequence[Sequence[str]]) -> list[str]:
    if not table:
        return []
    written = ["| " + " | ".join(map(_cell, line)) + " |" for line in table]
    return [written[0], "| " + " | ".join("---" for _ in table[0]) + " |", *written[1:], ""]


def _cell(text: str) -> str:
    """Return the text of a cell; one of several lines is a matrix, which Markdown has to be told."""
    escaped = text.replace("|", "\\|")
    return "<br>".join(f"`{line}`" for line in escaped.split("\n")) if "\n" in text else escaped
