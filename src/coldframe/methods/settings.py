"""A method's settings, declared once: annotated fields become its constructor, its ``config``, its ``repr`` and its flags."""

from __future__ import annotations

import inspect
import re
from dataclasses import Field, dataclass, field
from functools import cache
from typing import Any, Self, dataclass_transform, get_type_hints

from coldframe.errors import InputError, nearest
from coldframe.values import checked


@dataclass_transform(eq_default=False, field_specifiers=(field,))
class Settings:
    """Turns the annotated fields of every class below into its constructor, as ``dataclasses.dataclass`` does.

    A class lists its own fields only, in the order of its positional arguments. Fields behind a ``KW_ONLY`` marker are
    given by name; a class that changes the default of one that it inherits puts it behind a marker of its own.
    Types and ranges are checked first; what depends on other values is checked in ``__post_init__``, which calls
    ``super().__post_init__()`` first. A class with an ``__init__`` of its own keeps it.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "__init__" not in vars(cls):
            by_name = {name for base in cls.__mro__[1:] for name, kept in _fields(base).items() if kept.kw_only}
            dataclass(eq=False, repr=False)(cls)
            if wrong := sorted(name for name in by_name if not _fields(cls)[name].kw_only):
                raise TypeError(f"{cls.__name__} inherits {', '.join(wrong)} by name; put _: KW_ONLY before the new default")

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Refuse a setting that there is none of, before anything is made."""
        known = cls.settings()
        taken = [parameter.kind for parameter in known.values()]
        for name in named:
            if name not in known and name != "backbone" and inspect.Parameter.VAR_KEYWORD not in taken:
                hint = nearest(name, known)
                hint = hint if hint.startswith("; did") else f"; it has {', '.join(known) or 'no settings'}"
                raise InputError(f"expected a setting of {_spoken(cls)}, found {name!r}{hint}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Refuse a value of another type, or out of range; see :func:`coldframe.values.checked`."""
        for name, parameter in self.settings().items():
            setattr(self, name, checked(name, getattr(self, name), parameter.annotation, _spoken(type(self))))

    @classmethod
    def settings(cls) -> dict[str, inspect.Parameter]:
        """Return the constructor's parameters by name, without the backbone; their annotations are types, not text."""
        made: Any = cls
        return dict(_settings(made))

    @classmethod
    def explained(cls) -> str:
        """Return the docstring with the inherited arguments explained behind those that the class explains itself."""
        before, own, after = _parted(inspect.getdoc(cls) or "")
        missing = cls.settings().keys() - own.keys()
        for base in cls.__mro__[1:]:
            found = _parted(inspect.cleandoc(vars(base).get("__doc__") or ""))[1]
            own |= {name: text for name, text in found.items() if name in missing and name not in own}
        return f"{before}Args:\n{''.join(own.values())}\n{after}".strip() if own else before


def _spoken(cls: type[Any]) -> str:
    return str(getattr(cls, "name", cls.__name__))


def _fields(cls: type[Any]) -> dict[str, Field[Any]]:
    found: dict[str, Field[Any]] = vars(cls).get("__dataclass_fields__", {})
    return found


@cache
def _settings(cls: type[Any]) -> tuple[tuple[str, inspect.Parameter], ...]:
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    made = vars(owner)["__init__"]
    generated = "__dataclass_params__" in vars(owner)
    hints = get_type_hints(owner, include_extras=True) if generated else inspect.get_annotations(made, eval_str=True)
    return tuple(
        (name, parameter.replace(annotation=hints.get(name, parameter.annotation)))
        for name, parameter in inspect.signature(made).parameters.items()
        if name not in ("self", "backbone")
    )


def _parted(text: str) -> tuple[str, dict[str, str], str]:
    """Return what stands before ``Args:``, its entries by name, and what follows."""
    before, _, rest = text.partition("Args:\n")
    entries: dict[str, str] = {}
    lines = rest.splitlines(keepends=True)
    name = ""
    for number, line in enumerate(lines):
        if not line.startswith("    "):
            return before, entries, "".join(lines[number:]).lstrip("\n")
        if head := re.match(r" {4}(\w+): ", line):
            name = head[1]
        entries[name] = entries.get(name, "") + (line if line.endswith("\n") else line + "\n")
    return before, entries, ""
