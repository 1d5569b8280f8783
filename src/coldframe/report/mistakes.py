"""Which classes are taken for which, as a table whose cells show their pictures, and the wrong answers class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coldframe.report.figures.comparison import confused_pairs, main_detail
from coldframe.report.figures.style import data_uri
from coldframe.results.parts import HardImage
from coldframe.results.results import Results

MOST_CLASSES = 20
"""Up to so many classes the confusion is a table on the page; above it is a picture with a list of pairs."""
PAIRS = 20

Cell = tuple[str, str, str, str]
"""Text, share of the true class in [0, 1], what the cell says (empty: no pictures), the class it was taken for."""


def mistakes(table: Results) -> dict[str, Any]:
    """Return what the page's template needs: ``matrix``, ``names``, ``main``, ``wrong``, ``wrong_words`` and ``pairs``."""
    main, names = main_detail(table), [str(name) for name in table.about.classes]
    counts = main.confusion if main is not None and main.confusion and len(main.confusion) == len(names) else None
    found: dict[str, Any] = {"matrix": None, "names": names, "main": "", "wrong": [], "wrong_words": "", "pairs": []}
    if main is None or counts is None:
        return found
    found["main"] = table.labels().get(main.key, main.method)
    shown = {(one.true, one.predicted) for one in table.wrong}
    if len(names) <= MOST_CLASSES:
        found["matrix"] = [(name, _line(name, row, names, shown)) for name, row in zip(names, counts, strict=True)]
    else:
        pairs = [(names[i], names[j], counts[i][j]) for i, j in confused_pairs(counts, PAIRS)]
        found["pairs"] = [pair for pair in pairs if pair[:2] in shown]
    if table.wrong:
        found["wrong"] = _by_class(table.wrong, names)
        found["wrong_words"] = (
            f"Test images that {found['main']} gets wrong on average over seeds, most confident first: {len(table.wrong):,}."
        )
    return found


def _line(name: str, row: Sequence[int], names: Sequence[str], shown: set[tuple[str, str]]) -> list[Cell]:
    total = max(1, sum(row))
    cells = []
    for other, count in zip(names, row, strict=True):
        text = f"{100 * count / total:.0f}" if count else ""
        said = f"{name} taken for {other}: {count:,} of {total:,} answers." if (name, other) in shown else ""
        cells.append((text or "0" if said else text, f"{count / total:.3f}", said, other))
    return cells


def _by_class(wrong: Sequence[HardImage], names: Sequence[str]) -> list[tuple[str, int, list[tuple[str, ...]]]]:
    """Return (class, how many, pictures) for every class with wrong answers, the most first."""
    gathered: dict[str, list[tuple[str, ...]]] = {name: [] for name in names}
    for one in wrong:
        address = data_uri(one.png, "image/jpeg" if one.png[:2] == b"\xff\xd8" else "image/png")
        picture = (address, one.true, one.predicted, f"{one.probability:.0%}", one.name)
        gathered.setdefault(one.true, []).append(picture)
    found = [(name, len(pictures), pictures) for name, pictures in gathered.items() if pictures]
    return sorted(found, key=lambda entry: -entry[1])
