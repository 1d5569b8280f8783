"""The defaults of a room, as a text that is kept: what a user gets who asks for nothing.

Another default changes the results of everybody who left it out, and no other test need notice: those that ask for a value do
not read it. ``listed`` says the parameters with a default of every public function, the plain values of every public class and
module, and which records can be changed. After a change that is meant, run the test with ``RENEW_DRAWN=1`` and read the
difference.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any


def listed(package: str) -> str:
    """Return the defaults of every module of a package, or of one module, a name a line."""
    top = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}.")]
    return "".join(f"{line}\n" for name in [package, *sorted(names)] for line in _of(importlib.import_module(name)))


def _of(module: ModuleType) -> list[str]:
    short = module.__name__.removeprefix("coldframe.")
    lines = []
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        if getattr(value, "__module__", None) == module.__name__ and inspect.isclass(value):
            lines += [f"{short}.{line}" for line in _class(name, value)]
        elif getattr(value, "__module__", None) == module.__name__ and inspect.isfunction(value):
            lines += [f"{short}.{name}({said})" for said in [_defaults(value)] if said]
        elif name.isupper() and _plain(value) and not _imported(module, name):
            lines.append(f"{short}.{name} = {value!r}")
    return lines


def _imported(module: ModuleType, name: str) -> bool:
    source = inspect.getsource(module)
    return not any(line.startswith((f"{name} ", f"{name}:", f"{name},")) or f", {name}" in line.split(" = ")[0]
                   for line in source.splitlines() if " = " in line)  # fmt: skip


def _class(name: str, kind: type) -> list[str]:
    lines = []
    known = getattr(kind, "__dataclass_params__", None) if "__dataclass_fields__" in vars(kind) else None
    if known is not None:
        lines.append(f"{name}: {'frozen' if known.frozen else 'open'}{'' if known.eq else ', compared by identity'}")
        for field in dataclasses.fields(kind):
            if field.name in vars(kind).get("__annotations__", {}) and _plain(field.default):
                lines.append(f"{name}.{field.name} = {field.default!r}")
    for key, value in vars(kind).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if (key.startswith("_") and key not in ("__init__", "__call__")) or (known is not None and key == "__init__"):
            continue
        if inspect.isfunction(function) and (said := _defaults(function)):
            lines.append(f"{name}.{key}({said})")
        elif known is None and _plain(value) and not (key.startswith("__")):
            lines.append(f"{name}.{key} = {value!r}")
    return lines


def _defaults(function: Any) -> str:
    given = [each for each in inspect.signature(function).parameters.values() if each.default is not each.empty]
    return ", ".join(f"{each.name}={each.default!r}" for each in given if _plain(each.default))


def _plain(value: Any) -> bool:
    """Whether a value is a number, a truth value, or a tuple or a dictionary of such."""
    if isinstance(value, tuple | list | frozenset):
        return all(_plain(each) or isinstance(each, str | None) for each in value) and any(_plain(each) for each in value)
    if isinstance(value, dict):
        return _plain(tuple(value.values()))
    return isinstance(value, bool | int | float) and not isinstance(value, type)
