"""What labels are: one class per image, several labels per image, or ranks. The one place where these are told apart.

``?targets=classes|several|ranks`` behind any spec says it; without it, lists, bars and columns of 0 and 1 with other than one 1
in a row are several labels, and everything else is classes.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from coldframe.data.base import Dataset, Split
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import exists

Targets = Literal["auto", "classes", "several", "ranks"]
"""``auto`` finds out whether there are several labels per image, and takes them for classes where there is one."""
KEY = "targets"
SEPARATORS = ("|", ";", ",")
"""What stands between labels in one text, where nobody says another. Unasked, the bar alone: the others may be in a name."""
_WORDS = {"space": " ", "comma": ",", "tab": "\t"}
_MOST_TEXT = 100_000


def taken(rest: str) -> tuple[str, Targets]:
    """Return a spec without its choice of targets, and that choice.

    Example:
        >>> taken("labels.csv?label=tags&targets=several"), taken("flowers")
        (('labels.csv?label=tags', 'several'), ('flowers', 'auto'))
    """
    place, mark, query = rest.rpartition("?")
    if not mark or exists(rest):
        return rest, "auto"
    pairs = query.split("&")
    mine = [pair.partition("=")[2] for pair in pairs if pair.partition("=")[0] == KEY]
    if not mine:
        return rest, "auto"
    known: dict[str, Targets] = {name: name for name in get_args(Targets)}
    if len(set(mine)) > 1:
        raise InputError(f"expected one value for {KEY} in {rest}, found {' and '.join(mine)}; keep one")
    if mine[0] not in known:
        raise InputError(f"expected {KEY} of {', '.join(known)}, found {mine[0]!r}{nearest(mine[0], known)}")
    left = "&".join(pair for pair in pairs if pair.partition("=")[0] != KEY)
    found: Targets = known[mine[0]]
    return (f"{place}?{left}" if left else place), found


def parted(texts: Sequence[str], targets: Targets, separator: str | None) -> tuple[list[tuple[str, ...]], str] | None:
    """Return the labels of each text and how they were parted, in words; None where each text is one label.

    Args:
        texts: N cells of a column.
        targets: what was asked for.
        separator: what stands between labels: a text, or ``space``, ``comma``, ``tab``; None finds a list, a bar, or
            where several are asked for one of :data:`SEPARATORS`.
    """
    if targets in ("classes", "ranks"):
        return None
    lists = [_list(text) for text in texts]
    if any(found is not None for found in lists):
        tags = [found if found is not None else ((text,) if text else ()) for found, text in zip(lists, texts, strict=True)]
        return (tags, "lists") if targets == "several" or any(len(found) != 1 for found in tags) else None
    mark = _WORDS.get(separator or "", separator)
    if mark is None:
        asked = SEPARATORS if targets == "several" else SEPARATORS[:1]
        mark = next((one for one in asked if any(one in text for text in texts)), None)
    if mark is None:
        return ([(text,) if text else () for text in texts], "one a row") if targets == "several" else None
    tags = [tuple(dict.fromkeys(part.strip() for part in text.split(mark) if part.strip())) for text in texts]
    return tags, f"parted by {mark!r}"


def _list(text: str) -> tuple[str, ...] | None:
    """Return the parts of a list written as text, as JSON and Python do; None for anything else."""
    if not (text.startswith("[") and text.endswith("]")) or len(text) > _MOST_TEXT:
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(part, str | int) for part in found):
        return None
    return tuple(dict.fromkeys(str(part).strip() for part in found))


def single(texts: Sequence[str]) -> list[str]:
    """Return texts with lists of one label replaced by it."""
    return [found[0] if (found := _list(text)) is not None and len(found) == 1 else text for text in texts]


def matrix(tags: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which labels each image has [N, K]."""
    index = {name: number for number, name in enumerate(names)}
    found = np.zeros((len(tags), len(names)), dtype=np.bool_)
    for row, one in enumerate(tags):
        for name in one:
            found[row, index[name]] = True
    return found


def rarest(tags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rarest label of each image [N], among equals the first; K where it has none. Splits are drawn by it."""
    counts = np.where(tags, tags.sum(0), tags.shape[0] + 1)  # [N, K]
    return np.asarray(np.where(tags.any(1), counts.argmin(1), tags.shape[1]), dtype=np.int64)


def of_several(name: str, images: object, tags: NDArray[np.bool_], classes: Sequence[str], groups: object = None) -> Split:
    """Return a split of images with several labels each; its ``labels`` are the rarest ones, for drawing alone."""
    labels = np.minimum(rarest(tags), max(0, tags.shape[1] - 1))
    return Split(name, images, labels, tuple(classes), groups, tags=tags)  # type: ignore[arg-type]


def refuse_several(data: Dataset) -> None:
    """Refuse data with several labels per image where one is needed.

    Raises:
        DataError: it is of that kind; the sentence names a picture.
    """
    held = [(split, split.tags) for split in data.splits if split.tags is not None and len(split)]
    if not held:
        return
    split, tags = next(((one, tags) for one, tags in held if (tags.sum(1) != 1).any()), held[0])
    row = int((tags.sum(1) != 1).argmax())
    found = f"{int(tags[row].sum())} of {split.images.name(row)}"
    way = "compare, fit, evaluate, zero-shot, extract and datasets read several labels"
    raise DataError(f"expected one label per image in {data.spec}, found {found}; {way}, others one")


def ranked(data: Dataset, targets: Targets) -> Dataset:
    """Return the data with its classes as ranks where that was asked for; else say where they are numbers.

    Raises:
        DataError: ranks are asked for of classes that are no numbers.
    """
    values = [_number(name) for name in data.classes]
    numbers = all(math.isfinite(value) for value in values) and data.train.tags is None
    if targets != "ranks":
        told = f"classes are numbers: ?{KEY}=ranks also says how far off answers are"
        return replace(data, origin="; ".join(filter(None, (data.origin, told)))) if numbers and len(values) > 2 else data
    if not numbers:
        other = next((name for name, value in zip(data.classes, values, strict=True) if not math.isfinite(value)), "several")
        raise DataError(f"expected numbers as classes of {data.spec} for {KEY}=ranks, found {other!r}; leave {KEY} out")
    order = np.argsort(values, kind="stable")
    place = np.argsort(order)
    names = tuple(data.classes[at] for at in order)

    def moved(split: Split) -> Split:
        return replace(split, labels=place[split.labels].astype(np.int64), classes=names, ordered=True)

    origin = "; ".join(filter(None, (data.origin, f"{len(names)} ranks, {names[0]} to {names[-1]}")))
    return replace(data, train=moved(data.train), val=moved(data.val), test=moved(data.test), origin=origin)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
