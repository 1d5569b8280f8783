"""The one typed reader at each border: JSON and TOML become values of a declared type, or one sentence.

msgspec checks the types: it is strict, fast and has no dependencies of its own. What is not JSON although Python reads it (NaN,
numbers beyond a float) is refused, and so are brackets deeper than Python's stack.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from coldframe.errors import FileError, nearest, visible
from coldframe.files import read_text

T = TypeVar("T")
_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "null": "null", "object": "a mapping",
    "array": "a list", "ext": "something else",
}  # fmt: skip
_PLACE = re.compile(r" - at `(?P<place>[^`]*)`$")


def read(path: str | Path, kind: type[T], *, remedy: str = "write it again", strict: bool = True) -> T:
    """Return the value of a JSON file.

    Args:
        path: the file.
        kind: its type: a ``msgspec.Struct``, a dataclass, or built of plain types.
        remedy: what to do about a file that is damaged.
        strict: whether a key that the type does not know is refused.

    Raises:
        FileError: it cannot be read, is not JSON, or not of this type.
    """
    return loads(read_text(path), kind, str(path), remedy=remedy, strict=strict)


def loads(text: str | bytes, kind: type[T], where: str, *, remedy: str = "write it again", strict: bool = True) -> T:
    """Return the value of a JSON text; see :func:`read`."""
    return typed(_parsed(text, where, remedy), kind, where, remedy=remedy, strict=strict)


def read_toml(path: str | Path, kind: type[T]) -> T:
    """Return the value of a TOML file; see :func:`read`."""
    try:
        value = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"expected TOML in {path}, found {visible(str(error).lower())}; correct the file") from error
    except RecursionError as error:
        raise FileError(f"expected TOML in {path}, found brackets in brackets without end; correct the file") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise FileError(f"expected TOML in {path}, found a number out of range; correct the file") from error
    return typed(value, kind, str(path), remedy="correct the file")


def typed(value: Any, kind: type[T], where: str, *, remedy: str = "write it again", strict: bool = True) -> T:
    """Return a value that was read as one of a type.

    Raises:
        FileError: it is none; the sentence names the file, the place in it, and what was expected there.
    """
    try:
        found = msgspec.convert(value, kind)
        extra = _unknown(value, kind) if strict else None
    except msgspec.ValidationError as error:
        said = f"{_sentence(str(error), value, kind)}; {remedy}".replace("?; ", "?, or ")
        raise FileError(f"cannot use {where}: {said}") from error
    except (RecursionError, OverflowError) as error:
        raise FileError(f"cannot use {where}: expected plain values, found one without end; {remedy}") from error
    if extra is not None:
        place, known = extra
        hint = nearest(place.rpartition(".")[2], known)
        raise FileError(f"cannot use {where}: found the unknown key {place!r}{hint}; {remedy}".replace("?; ", "?, or "))
    return found


def _parsed(text: str | bytes, where: str, remedy: str) -> Any:
    def finite(digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            raise ValueError(f"the number {digits[:20]} is out of range")
        return number

    try:
        return json.loads(text, parse_float=finite, parse_constant=finite)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"cannot read {where}: expected JSON, found an error at {at}; {remedy}") from error
    except RecursionError as error:
        raise FileError(f"cannot read {where}: expected JSON, found brackets in brackets without end; {remedy}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"cannot read {where}: expected UTF-8 text, found other bytes; {remedy}") from error
    except ValueError as error:  # not finite, or more digits than Python reads
        raise FileError(f"cannot read {where}: expected JSON, found a number out of range; {remedy}") from error


def _sentence(said: str, value: Any, kind: Any) -> str:
    """Return msgspec's words as the house says them."""
    match = _PLACE.search(said)
    place = match["place"].removeprefix("$").removeprefix(".") if match else ""
    said = said[: match.start()] if match else said
    at = f" at {visible(place)}" if place else ""
    if missing := re.search(r"missing required field `(.*)`", said):
        return f"expected the key {missing[1]!r}{at}, found none"
    if unknown := re.search(r"unknown field `(.*)`", said):
        deeper, known = _unknown(value, kind) or (visible(unknown[1]), [])
        return f"found the unknown key {deeper!r}{nearest(unknown[1], known)}"
    words = re.sub(r"`([a-z]+)`", lambda found: _WORDS.get(found[1], found[1]), said)
    words = re.sub(r"`([^`]*)`", lambda found: " or ".join(_WORDS.get(w, w) for w in found[1].split(" | ")), words)
    words = words[:1].lower() + words[1:].replace(", got ", f"{at}, found ")
    return visible(words if at in words else words + at)


def _unknown(value: Any, kind: Any, place: str = "") -> tuple[str, list[str]] | None:
    """Return the first key of a mapping that its type does not know, with those it knows; None where all are known."""
    origin, parts = get_origin(kind), get_args(kind)
    if isinstance(value, Mapping):
        if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
            hints = get_type_hints(kind)
            closed = dataclasses.is_dataclass(kind) or kind.__struct_config__.forbid_unknown_fields
            for key, one in value.items():
                if key not in hints:
                    if closed:
                        return f"{place}{visible(key)}", list(hints)
                elif found := _unknown(one, hints[key], f"{place}{key}."):
                    return found
        elif origin is dict:
            return next(filter(None, (_unknown(one, parts[1], f"{place}{visible(key)}.") for key, one in value.items())), None)
    elif isinstance(value, list) and origin in (list, tuple) and parts:
        return next(filter(None, (_unknown(one, parts[0], place) for one in value)), None)
    if origin is Union or type(kind).__name__ == "UnionType":
        told = [_unknown(value, part, place) for part in parts if part is not type(None)]
        return told[0] if told and all(told) else None
    return None
