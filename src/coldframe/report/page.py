"""The report: one self-contained page, and beside it the numbers and the figures as files.

The page holds its pictures in itself, asks nothing of a network and prints on paper; a script sorts tables and picks pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from coldframe.measures.decision import standing
from coldframe.report.figures.comparison import all_figures, confused_pairs, main_detail
from coldframe.report.figures.style import as_svg, data_uri
from coldframe.report.mistakes import mistakes
from coldframe.results import wording
from coldframe.results.columns import cells, columns, headline, title, trust_tables, value
from coldframe.results.fields import Field
from coldframe.results.parts import Comparison, HardImage, Picture
from coldframe.results.rows import Group, groups
from coldframe.results.verdict import recommended, verdict
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coldframe.results.results import Results


def page(
    table: Results,
    *,
    hardest: Sequence[HardImage] = (),
    prompts: Sequence[Picture] = (),
    figures: dict[str, Figure] | None = None,
) -> str:
    """Return the report as one HTML page. Parts that the table does not hold are left out.

    Args:
        table: the results.
        hardest: test images with confident wrong answers, worst first; those of the table when none are given.
        prompts: pictures of learned prompts.
        figures: :func:`coldframe.report.figures.comparison.all_figures`, where they have been drawn already.
    """
    drawn = all_figures(table) if figures is None else figures
    hardest, prompts = hardest or table.hardest, prompts or table.prompts
    return rendered("report.html", _parts(table, drawn, hardest, prompts))


def rendered(template: str, parts: dict[str, Any]) -> str:
    """Return the page that a template of this room makes of named parts; every part is escaped."""
    from jinja2 import Environment, PackageLoader
    from jinja2.filters import do_forceescape, do_mark_safe

    environment = Environment(
        loader=PackageLoader("coldframe.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["whole"] = lambda text: do_mark_safe(_whole_options(str(do_forceescape(text))))
    return environment.get_template(template).render(**parts, version=__version__)


def _whole_options(text: str) -> str:
    """Return HTML in which no line breaks within ``--option 5``."""
    return re.sub(r"--[a-z][a-z-]*( \d+)?", r'<span class="whole">\g<0></span>', text)


def _parts(
    table: Results, drawn: dict[str, Figure], hardest: Sequence[HardImage], prompts: Sequence[Picture]
) -> dict[str, Any]:
    """Return what the template names, as plain text and addresses of pictures."""
    pictures = {name: data_uri(as_svg(figure), "image/svg+xml") for name, figure in drawn.items()}
    shown = columns(table)
    pick = recommended(table)
    body = cells(table)[1:]
    about = table.about
    subject = about.data or "Results"
    return {
        "title": f"{subject}: which way to adapt the model?" if len(table.groups()) > 1 else subject,
        "headline": headline(about),
        "verdict": verdict(table),
        "head": [title(column, about) for column in shown],
        "lines": [
            {"label": line[0], "cells": _sorted_by(line[1:], group, shown), "pick": pick is not None and group.key == pick.key}
            for line, group in zip(body, table.groups(), strict=True)
        ],
        "margin": wording.margin(about.margin),
        "one_seed": all(c.seeds == 1 for c in table.comparisons),
        "picked": len(table.groups()) > 1 and pick is not None,
        "legend": [
            *((title(column, about), column.meaning) for column in shown),
            *([("choices", about.choices)] if about.choices else []),
            *([("best/", REFIT)] if table.handed.get("refit") else []),
        ],
        "comparisons": _comparisons(table),
        "published": _published(table),
        "notes": table.notes,
        "cost": pictures.get("accuracy_against_cost"),
        "models": pictures.get("accuracy_against_latency"),
        "robustness": [pictures[name] for name in pictures if name.startswith("robustness_")],
        "training": [pictures[name] for name in pictures if name.startswith("training_")],
        "per_class": pictures.get("per_class"),
        "worst": _worst(table),
        "confusion": pictures.get("confusion"),
        "confused": _confused(table),
        **mistakes(table),
        "reliability": pictures.get("reliability"),
        "trust": [
            (heading, [(field.title, field.meaning) for field in fields], lines)
            for heading, fields, lines in trust_tables(table)
        ],
        "hardest": [(data_uri(i.png), i.true, i.predicted, f"{i.probability:.0%}", i.name) for i in hardest],
        "handed": wording.handed_over(table.handed),
        "prompts": [(data_uri(p.png) if p.png else "", p.title, p.text) for p in prompts],
        "command": table.command,
        "facts": _facts(table),
        "settings": about.settings,
    }


REFIT = (
    "Every line of the table learned from the training images only. The recommended method is then fitted once more, on "
    "training and validation images together, with the chosen settings and epochs. That model is saved; it changes no line."
)
"""The one rule of refitting, for the page's legend."""


def _sorted_by(texts: Sequence[str], group: Group, shown: Sequence[Field]) -> list[tuple[str, float | None]]:
    """Return each cell with the number that it is sorted by."""
    return [(text, value(field, group)) for text, field in zip(texts, shown, strict=True)]


def _comparisons(table: Results) -> list[tuple[str, str, str, str]]:
    """Return every line against the recommended one: names, difference, interval, and what it says."""
    pick, labels = recommended(table), table.labels()
    if pick is None:
        return []
    found = [(group, table.compared(group.key, pick.key)) for group in table.groups() if group.key != pick.key]
    return [
        (
            f"{labels[group.key]} − {pick.label}",
            wording.points(c.difference),
            f"{wording.points(c.low)} to {wording.points(c.high)}",
            _says(c, table.about.margin),
        )
        for group, c in found
        if c is not None
    ]


def _says(found: Comparison, margin: float) -> str:
    """Return what the interval of a method less the recommended one says: whether they differ by what matters."""
    if found.low > margin:
        return "better"
    return {"equivalent": f"equal within {wording.margin(margin)}"}.get(kind := standing(found.low, found.high, margin), kind)


def _published(table: Results) -> list[tuple[str, str, str]]:
    return [
        (group.label, wording.percent(group.mean("top1")), str(group.rows[0].get("source") or ""))
        for group in groups(table.published)
    ]


def _worst(table: Results) -> list[tuple[str, str]]:
    """Return the three classes of the recommended line that are right least often, with their accuracy."""
    main = main_detail(table)
    if main is None or not main.per_class or len(main.per_class) != len(table.about.classes):
        return []
    known = [(value, str(name)) for value, name in zip(main.per_class, table.about.classes, strict=True) if value is not None]
    return [(name, f"{wording.percent(value)}%") for value, name in sorted(known)[:3]] if len(known) > 3 else []


def _confused(table: Results) -> list[tuple[str, str, int]]:
    """Return the three pairs of classes that are mixed up most: true, taken for, answers."""
    main, names = main_detail(table), table.about.classes
    if main is None or not main.confusion or len(main.confusion) != len(names):
        return []
    return [(str(names[i]), str(names[j]), main.confusion[i][j]) for i, j in confused_pairs(main.confusion, 3)]


def _facts(table: Results) -> list[tuple[str, str]]:
    """Return what was used: splits, choices, seeds, machine, versions, digests."""
    seeds = sorted({str(row["seed"]) for row in table.rows if row.get("seed") is not None}, key=lambda s: (len(s), s))
    about = table.about
    ids = {name: sorted({str(row[name]) for row in table.rows if row.get(name)}) for name in ("model", "data")}
    packages = []
    for name in ("torch", "torchvision", "timm", "open_clip_torch", "numpy"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    facts = [
        ("model", ", ".join(ids["model"])),
        ("data", ", ".join(ids["data"])),
        ("splits", about.splits),
        ("choices", about.choices),
        ("seeds", ", ".join(seeds)),
        ("cold pass", about.cold.removeprefix("cold pass: ")),
        ("machine", ", ".join(f"{key} {value}" for key, value in table.machine.items() if value not in (None, "", "torch"))),
        ("versions", ", ".join([f"coldframe {__version__}", *packages])),
        *((f"digest of {name}", digest) for name, digest in about.digests.items()),
    ]
    return [(name, value) for name, value in facts if value]
