"""Numbers on the command line: one set of types for every option of every verb, each with the range that it accepts.

Python reads ``nan``, ``1e400`` (infinity), ``1_000`` and digits of any script as numbers; a parser makes 2 of ``2.5``.
None of that is meant on a command line. Upper ends are far beyond any use, and below what would never end or fit in memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import Parameter

from coldframe.errors import InputError, nearest

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST = 400
"""Characters of a number; Python refuses to read whole numbers of more than 4,300 digits, in words of its own."""


class Number:
    """Reads one number, or each of several, and refuses what lies outside its range in one sentence.

    Args:
        kind: ``int`` or ``float``.
        least: smallest accepted value.
        most: largest accepted value.
        above: whether ``least`` itself is refused.
        words: texts that are accepted in place of a number, such as ``"auto"``.
    """

    def __init__(
        self, kind: type[int] | type[float], least: float, most: float, *, above: bool = False, words: Sequence[str] = ()
    ) -> None:
        self.kind, self.least, self.most, self.above, self.words = kind, least, most, above, tuple(words)

    def __call__(self, type_: Any, tokens: Sequence[Any]) -> Any:
        found = [self.read(token.value) for token in tokens]
        held = get_origin(type_)
        return tuple(found) if held is tuple else found if held is list or len(found) != 1 else found[0]

    def read(self, text: str) -> int | float | str:
        """Return the number that a text stands for.

        Raises:
            InputError: it is none, or lies outside the range.
        """
        if text in self.words:
            return text
        pattern = _WHOLE if self.kind is int else _REAL
        if len(text) <= _LONGEST and pattern.fullmatch(text):
            value = self.kind(text)
            if math.isfinite(value) and self.least <= value <= self.most and not (self.above and value == self.least):
                return value
        shown = text if len(text) <= 40 else text[:40] + "…"
        shown = shown if _REAL.fullmatch(shown) else repr(shown)
        hint = nearest(text, self.words) if text.isalpha() and text.lower() not in ("nan", "inf", "infinity") else ""
        raise InputError(f"expected {self.expected}, found {shown}{hint if hint.startswith('; did') else ''}")

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        what = "a whole number" if self.kind is int else "a number"
        start = f"above {_plain(self.least)}" if self.above else f"from {_plain(self.least)}"
        said = f"{what} {start} {'and up ' if self.above else ''}to {_plain(self.most)}"
        return said + "".join(f" or {word}" for word in self.words)


def _plain(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e12 else f"{value:g}"


def _option(number: Number) -> Parameter:
    return Parameter(converter=number, allow_leading_hyphen=True)


SEED = Number(int, 0, 2**32 - 1)
SEEDS = Number(int, 1, 1000)
COUNT = Number(int, 1, 10**9)
SHOWN = Number(int, 0, 100)
STEPS = Number(int, 1, 10**6)
TOP = Number(int, 1, 10**6)
EPOCHS = Number(int, 1, 10**6)
BATCH = Number(int, 1, 2**16)
WIDTH = Number(int, 1, 4096)
DEPTH = Number(int, 1, 1000)
PLACE = Number(int, 0, 10**6)
FINITE = Number(float, 0, 1e9)
POSITIVE = Number(float, 0, 1e9, above=True)
FRACTION = Number(float, 0, 1)
LIMIT = Number(int, 1, 500)
PICTURES = Number(int, 1, 10_000)
SIDE = Number(int, 1, 100)
LENGTH = Number(int, 0, 10_000)
GIGABYTES = Number(float, 0, 10**6, above=True)

Seed = Annotated[int, _option(SEED)]
"""Of a generator."""
Seeds = Annotated[int, _option(SEEDS)]
"""How many seeds."""
Count = Annotated[int, _option(COUNT)]
"""How many of what there is: more than there are is all of them."""
Shown = Annotated[int, _option(SHOWN)]
"""Pictures in one figure, or none."""
Limit = Annotated[int, _option(LIMIT)]
"""Lines of a list, each of which takes a moment to find out."""
Pictures = Annotated[int, _option(PICTURES)]
"""Pictures drawn by a model into one sheet."""
Side = Annotated[int, _option(SIDE)]
"""Pictures along a side of a sheet."""
Length = Annotated[int, _option(LENGTH)]
"""Steps of a walk."""
Steps = Annotated[int, _option(STEPS)]
"""How often something is repeated."""
Top = Annotated[int, _option(TOP)]
"""How many lines or pictures are shown."""
Epochs = Annotated[int, _option(EPOCHS)]
"""Passes over the training images."""
Batch = Annotated[int, _option(BATCH)]
"""Images in one forward pass."""
Place = Annotated[int, _option(PLACE)]
"""A number that names one of several things, from 0."""
Places = Annotated[list[int], _option(PLACE)]
"""Several of these."""
Seconds = Annotated[float, _option(FINITE)]
"""A span of time."""
Gigabytes = Annotated[float, _option(GIGABYTES)]
"""A size on disk."""

NAMED: Mapping[str, Number] = {
    "seed": SEED, "seeds": SEEDS, "epochs": EPOCHS, "patience": EPOCHS, "every": EPOCHS, "warmup": PLACE,
    "batch": BATCH, "batch_size": BATCH, "hidden": WIDTH, "width": WIDTH, "channels": WIDTH, "latent": WIDTH,
    "tokens": WIDTH, "size": WIDTH, "sources": WIDTH, "depth": DEPTH, "test_views": Number(int, 1, 1000), "k": COUNT,
    "shift": Number(int, 0, 4096), "levels": Number(int, 2, 256),
    "dropout": FRACTION, "momentum": FRACTION, "label_smoothing": FRACTION, "hold_out": FRACTION, "wise": FRACTION,
    "weight": FRACTION, "layer_decay": FRACTION, "temperature": POSITIVE, "scale": POSITIVE, "minutes": POSITIVE,
    "max_alpha": POSITIVE, "max_beta": POSITIVE,
}  # fmt: skip
"""Argument of a method's constructor or a network's function -> what the command line accepts for it."""


def option(name: str, annotation: Any) -> Any:
    """Return the annotation of a foreign argument with the number type that its name and type ask for.

    Args:
        name: of the argument, such as ``"epochs"``.
        annotation: its resolved type; anything without numbers is returned as it is.
    """
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    words = [str(word) for part in parts if get_origin(part) is Literal for word in get_args(part)]
    inner = [get_args(part)[0] if get_origin(part) in (tuple, list) else part for part in parts]
    kinds = [part for part in inner if part in (int, float)]
    if not kinds:
        return annotation
    of = NAMED.get(name, PLACE if kinds[0] is int else FINITE)
    return Annotated[annotation, _option(Number(kinds[0], of.least, of.most, above=of.above, words=words))]
