"""What a setting may be: its type and its range, the same on the command line, in a file and in a constructor.

Python reads ``nan``, ``1e400`` (infinity), ``1_000`` and digits of any script as numbers, takes True for 1, and a parser makes
2 of ``2.5``. None of that is meant. Upper ends are far beyond any use, and below what would never end or fit in memory.
"""

from __future__ import annotations

import math
import numbers
import re
import shlex
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from coldframe.errors import InputError, nearest, visible

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
            if self.least <= value <= self.most and not (self.above and value == self.least):
                return value
        shown = text if len(text) <= 40 else text[:40] + "…"
        shown = shown if _REAL.fullmatch(shown) else repr(shown)
        hint = nearest(text, self.words) if text.isalpha() and text.lower() not in ("nan", "inf", "infinity") else ""
        raise InputError(f"expected {self.expected}, found {shown}{hint if hint.startswith('; did') else ''}")

    def check(self, name: str, value: Any) -> Any:
        """Return a value that is one of the words or a number in the range, as a plain number.

        Raises:
            InputError: it is not; the sentence names ``name``.
        """
        if isinstance(value, str) and value in self.words:
            return value
        real = numbers.Integral if self.kind is int else numbers.Real
        if not isinstance(value, bool) and isinstance(value, real):
            number = _converted(self.kind, value)
            if self.least <= number <= self.most and not (self.above and number == self.least):
                return number
        raise InputError(f"expected {name} to be {self.expected}, found {shown(value)}")

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        what = "a whole number" if self.kind is int else "a number"
        start = f"above {_plain(self.least)}" if self.above else f"from {_plain(self.least)}"
        said = f"{what} {start} {'and up ' if self.above else ''}to {_plain(self.most)}"
        return said + "".join(f" or {word}" for word in self.words)


def _plain(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e12 else f"{value:g}"


SEED = Number(int, 0, 2**32 - 1)
SEEDS = Number(int, 1, 1000)
COUNT = Number(int, 1, 10**9)
SHOWN = Number(int, 0, 100)
STEPS = Number(int, 1, 10_000)
TOP = Number(int, 1, 10**6)
EPOCHS = Number(int, 1, 100_000)
BATCH = Number(int, 1, 2**16)
WIDTH = Number(int, 1, 4096)
DEPTH = Number(int, 1, 1000)
PLACE = Number(int, 0, 10**6)
FINITE = Number(float, 0, 1e9)
SECONDS = Number(float, 0, 10**6)
POSITIVE = Number(float, 0, 1e9, above=True)
FRACTION = Number(float, 0, 1)
LIMIT = Number(int, 1, 500)
PICTURES = Number(int, 1, 10_000)
SIDE = Number(int, 1, 100)
LENGTH = Number(int, 0, 10_000)
GIGABYTES = Number(float, 0, 10**6, above=True)
POINTS = Number(float, 0, 99)

NAMED: Mapping[str, Number] = {
    "seed": SEED, "seeds": SEEDS, "epochs": EPOCHS, "patience": EPOCHS, "every": EPOCHS, "warmup": PLACE,
    "batch": BATCH, "batch_size": BATCH, "hidden": WIDTH, "width": WIDTH, "channels": WIDTH, "latent": WIDTH,
    "tokens": WIDTH, "size": WIDTH, "sources": WIDTH, "depth": DEPTH, "test_views": Number(int, 1, 1000), "k": COUNT,
    "shift": Number(int, 0, 4096), "levels": Number(int, 2, 256),
    "dropout": FRACTION, "momentum": FRACTION, "label_smoothing": FRACTION, "hold_out": FRACTION, "wise": FRACTION,
    "weight": FRACTION, "hold": FINITE, "gamma": FINITE, "layer_decay": FRACTION, "temperature": POSITIVE, "scale": POSITIVE,
    "minutes": Number(float, 0, 525_600, above=True),
    "lr": POSITIVE, "discriminator_lr": POSITIVE,
    "clip": POSITIVE, "max_alpha": POSITIVE, "max_beta": POSITIVE, "shrinkage": POSITIVE, "penalty": POSITIVE,
    "l2": POSITIVE, "text_weight": FINITE, "alpha": FINITE, "beta": FINITE, "weight_decay": FINITE, "backbone_lr": FINITE,
    "neighbours": COUNT, "rounds": STEPS, "queries": WIDTH,
    "layer": PLACE, "rank": WIDTH, "bottleneck": WIDTH, "factor": WIDTH, "last": DEPTH,
    "ratio": FRACTION, "reduction": COUNT, "steps": STEPS, "margin": FINITE,
}  # fmt: skip
"""Argument of a method's constructor or a network's function -> what is accepted for it."""


def spelled(argument: str) -> str:
    """Return the option of ``coldframe train`` for an argument of a network's function; images per step are as in ``fit``.

    Example:
        >>> spelled("weight_decay"), spelled("batch")
        ('--weight-decay', '--batch-size')
    """
    return "--" + ("batch_size" if argument == "batch" else argument).replace("_", "-")


def flags(settings: Mapping[str, Any]) -> str:
    """Return settings as options of ``coldframe train``, a space before each; a truth value becomes --name or --no-name.

    Example:
        >>> flags({"lr": 0.1, "batch": 64, "batch_norm": True, "flip": False})
        ' --lr 0.1 --batch-size 64 --batch-norm --no-flip'
    """
    said = []
    for name, value in settings.items():
        option = spelled(name)
        if isinstance(value, bool):
            said.append(option if value else f"--no-{option[2:]}")
        else:
            said.append(f"{option} {shlex.quote(str(value))}")
    return "".join(f" {part}" for part in said)


def _converted(kind: type[int] | type[float], value: Any) -> float:
    try:
        return kind(value)
    except OverflowError:
        return math.inf


def shown(value: object) -> str:
    """Return a foreign value as a sentence shows it: on one line, and short."""
    try:
        text = visible(repr(value))
    except (ValueError, RecursionError):  # more digits than Python writes, or lists in lists without end
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"


def number_of(name: str, annotation: Any) -> Number | None:
    """Return what is accepted for a setting with numbers in its type; None for one without.

    Args:
        name: of the setting, such as ``"epochs"``.
        annotation: its resolved type.
    """
    parts = _parts(annotation)
    words = [str(word) for part in parts if get_origin(part) is Literal for word in get_args(part)]
    inner = [get_args(part)[0] if get_origin(part) in _LISTS and get_args(part) else part for part in parts]
    kinds = [part for part in inner if part in (int, float)]
    if not kinds:
        return None
    of = NAMED.get(name, PLACE if kinds[0] is int else FINITE)
    if kinds[0] is float and of.kind is int:  # such as half an epoch
        return Number(float, 0, of.most, above=True, words=words)
    return Number(kinds[0], of.least, of.most, above=of.above, words=words)


_LISTS = (tuple, list, Sequence)


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def checked(name: str, value: Any, annotation: Any, of: str = "") -> Any:
    """Return the value of a setting where it has the type and lies in the range that its name and type ask for.

    Whole numbers become floats where floats are meant, and NumPy's numbers plain ones, so that equal settings are equal text.

    Args:
        name: of the setting.
        value: what was given.
        annotation: its resolved type; a type that msgspec does not know is not checked.
        of: whose setting it is, for the sentence.

    Raises:
        InputError: it is of another type, or out of range.

    Example:
        >>> checked("lr", 40, float)
        40.0
    """
    called = f"{name} of {of}" if of else name
    parts, number = _parts(annotation), number_of(name, annotation)
    if value is None and type(None) in parts:
        return None
    if isinstance(value, str) and str in parts:
        return value
    listed = any(get_origin(part) in _LISTS for part in parts) and isinstance(value, list | tuple)
    if number is not None:
        if listed:
            if not value:
                raise InputError(f"expected {called} to hold {number.expected}, found an empty list")
            return type(value)(number.check(called, each) for each in value)
        if len(parts) == 1 and get_origin(annotation) in _LISTS:
            raise InputError(f"expected {called} to be a list of numbers, found {shown(value)}")
        return number.check(called, value)
    try:
        msgspec.convert(value, annotation)
    except (msgspec.ValidationError, RecursionError) as error:
        hint = nearest(value, _words(parts)) if isinstance(value, str) else ""
        said = f"expected {called} to be {described(annotation)}, found {shown(value)}"
        raise InputError(said + (hint if hint.startswith("; did") else "")) from error
    except TypeError:  # a type of somebody's own
        return value
    return value


def check_fields(holder: Any, *, own: Sequence[str] = ()) -> None:
    """Check every field of a dataclass, a frozen one too, by :func:`checked`, and keep the plain values.

    Args:
        holder: the dataclass.
        own: fields with a rule of their own, which are left alone.

    Raises:
        InputError: a field is of another type or out of range.
    """
    for name, annotation in get_type_hints(type(holder)).items():
        if name not in own:
            object.__setattr__(holder, name, checked(name, getattr(holder, name), annotation))


def _words(parts: Sequence[Any]) -> list[str]:
    return [str(word) for part in parts if get_origin(part) is Literal for word in get_args(part)]


def described(annotation: Any) -> str:
    """Return a type in words.

    Example:
        >>> described(str | None)
        'text or None'
    """
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "None"}
    said: list[str] = []
    for part in _parts(annotation):
        if get_origin(part) is Literal:
            said.append(", ".join(str(word) for word in get_args(part)))
        elif get_origin(part) in _LISTS:
            said.append("a list" + (f" of {_many(get_args(part)[0])}" if get_args(part) else ""))
        else:
            said.append(plain.get(part, getattr(part, "__name__", str(part))))
    return " or ".join(said)


def _many(kind: Any) -> str:
    return {int: "whole numbers", float: "numbers", str: "texts", bool: "true or false"}.get(kind, "values")
