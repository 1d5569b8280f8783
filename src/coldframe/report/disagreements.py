"""The page about two models that answer differently: counts, a test, and the pictures themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coldframe.measures.significance import Paired
from coldframe.report.figures.style import data_uri, distinct
from coldframe.report.page import rendered
from coldframe.results.wording import points


@dataclass(frozen=True)
class Answered:
    """A picture and what two models say of it.

    Args:
        png: its bytes, some 160 pixels wide.
        true: name of its class.
        a: answer of A with its probability.
        b: answer of B with its probability.
        name: its file.
    """

    png: bytes
    true: str
    a: tuple[str, float]
    b: tuple[str, float]
    name: str


def p_value(p: float) -> str:
    """Return a p value as a person reads it: ``p = 0.03``, ``p < 0.0001``."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}" if p < 0.001 else f"p = {p:.2g}"


def sentences(names: tuple[str, str], counts: tuple[int, int, int, int], paired: Paired) -> list[str]:
    """Return what the counts (both right, only A, only B, neither) and the test say.

    Example:
        >>> for line in sentences(("probe", "knn"), (90, 8, 1, 1), Paired(0.07, 0.02, 0.13, 100, 0.039)):
        ...     print(line)
        probe gets 98 of 100 images right, knn 91.
        On 8 images only probe is right, on 1 only knn; both are right on 90, both wrong on 1.
        probe minus knn: +7.0 points, 95% interval +2.0 to +13.0 over images; McNemar's exact test: p = 0.039.
        The difference is more than chance on these images.
    """
    (a, b), (both, one, other, neither) = names, counts
    test = f"McNemar's exact test: {p_value(paired.p)}" if paired.p is not None else "no test"
    interval = f"95% interval {points(paired.low)} to {points(paired.high)} over images"
    chance = paired.p is None or paired.p >= 0.05
    return [
        f"{a} gets {both + one:,} of {paired.n:,} images right, {b} {both + other:,}.",
        f"On {one:,} images only {a} is right, on {other:,} only {b}; both are right on {both:,}, both wrong on {neither:,}.",
        f"{a} minus {b}: {points(paired.difference)} points, {interval}; {test}.",
        "The difference may be chance: these images do not tell the two apart."
        if chance
        else "The difference is more than chance on these images.",
    ]


def differing_page(
    names: tuple[str, str],
    headline: str,
    counts: tuple[int, int, int, int],
    paired: Paired,
    classes: Sequence[tuple[str, int, int, int]],
    only: tuple[Sequence[Answered], Sequence[Answered]],
    command: str,
    facts: Sequence[tuple[str, str]],
) -> str:
    """Return the page.

    Args:
        names: of A and of B.
        headline: models and data in a line.
        counts: images that both get right, only A, only B, neither.
        paired: the difference in top-1, A minus B.
        classes: (class, images, only A, only B), the largest difference first.
        only: pictures that only A, and that only B, gets right.
        command: what makes the page again.
        facts: what was compared: name and value.
    """
    (a, b), (both, one, other, neither) = distinct(names, 40), counts
    said = sentences((a, b), counts, paired)
    parts = [
        {"heading": heading, "text": _shown(len(pictures), total), "pictures": [_picture(p) for p in pictures]}
        for heading, pictures, total in (
            (f"{a} is right, {b} is wrong", only[0], one),
            (f"{b} is right, {a} is wrong", only[1], other),
        )
    ]
    return rendered(
        "disagreements.html",
        {
            "title": f"Where {a} and {b} disagree",
            "headline": headline,
            "verdict": " ".join([said[1], said[2], said[3]]),
            "a": a,
            "b": b,
            "counts": [
                (f"{a} right", f"{both:,}", f"{one:,}", f"{both + one:,}"),
                (f"{a} wrong", f"{other:,}", f"{neither:,}", f"{other + neither:,}"),
                ("all", f"{both + other:,}", f"{one + neither:,}", f"{sum(counts):,}"),
            ],
            "statistics": (
                "The interval is a percentile bootstrap over images (10,000 resamples). McNemar's test uses only the "
                "images on which one run is right and the other wrong. If both were as good, either case would be as likely."
            ),
            "classes": [(name, f"{n:,}", f"{x:,}", f"{y:,}") for name, n, x, y in classes[:12]],
            "parts": parts,
            "command": command,
            "facts": facts,
        },
    )


def _shown(shown: int, total: int) -> str:
    if not total:
        return "No such image."
    order = "those first where both are most decided"
    return f"{total:,} image{'s' if total > 1 else ''}, {order}." if shown == total else f"{shown:,} of {total:,}, {order}."


def _picture(answered: Answered) -> dict[str, Any]:
    a, b = (f"{name} {probability:.0%}" for name, probability in (answered.a, answered.b))
    return {"image": data_uri(answered.png), "true": answered.true, "a": a, "b": b, "name": answered.name}
