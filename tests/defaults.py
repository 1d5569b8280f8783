"""The defaults of a room, as a text that is kept: what a user gets who asks for nothing.

Another default changes the results of everybody who left it out, and no other test need notice: those that ask for a value do
not read it. Kept are the parameters with a default of every function, the plain values of every class and module,
and which records can be changed. What is new or gone is no matter here. After a change that is meant, run the test with
``RENEW_DRAWN=1`` and read the difference.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


def unmoved(test: str, package: str) -> None:
    """Assert that no default of a package is another than in the file ``drawn/defaults.txt`` beside the test."""
    path, found = Path(test).parent / "drawn" / "defaults.txt", listed(package)
    if os.environ.get("RENEW_DRAWN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{name} = {value}\n" for name, value in found.items()), encoding="utf-8")
    kept = dict(line.split(" = ", 1) for line in path.read_text(encoding="utf-8").splitlines())
    moved = {name: (value, found[name]) for name, value in kept.items() if found.get(name, value) != value}
    assert not moved, f"{moved} (kept, found)"
    assert len(kept.keys() & found.keys()) > len(kept) / 2, "most names are gone: keep the defaults anew"


def listed(package: str) -> dict[str, str]:
    """Return the defaults of every module of a package, by name."""
    top = importlib.import_module(package)
    names = [each.name for each in pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}.")]
    return dict(line for name in [package, *sorted(names)] for line in _of(importlib.import_module(name)))


def _of(module: ModuleType) -> Iterator[tuple[str, str]]:
    short = module.__name__.removeprefix("coldframe.")
    for name, value in sorted(vars(module).items()):
        own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("__"):
            continue
        if own and inspect.isclass(value):
            yield from ((f"{short}.{name}{key}", said) for key, said in _class(value))
        elif own and inspect.isfunction(value):
            yield from ((f"{short}.{name}{key}", said) for key, said in _defaults(value))
        elif name.isupper() and _plain(value) and not _imported(module, name):
            yield f"{short}.{name}", repr(value)


def _imported(module: ModuleType, name: str) -> bool:
    source = inspect.getsource(module)
    return not any(line.startswith((f"{name} ", f"{name}:", f"{name},")) or f", {name}" in line.split(" = ")[0]
                   for line in source.splitlines() if " = " in line)  # fmt: skip


def _class(kind: type) -> Iterator[tuple[str, str]]:
    known = getattr(kind, "__dataclass_params__", None) if "__dataclass_fields__" in vars(kind) else None
    if known is not None:
        yield " is", f"{'frozen' if known.frozen else 'open'}{'' if known.eq else ', compared by identity'}"
        for field in dataclasses.fields(kind):
            if field.name in vars(kind).get("__annotations__", {}) and _plain(field.default):
                yield f".{field.name}", repr(field.default)
    for key, value in vars(kind).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if (key.startswith("_") and key not in ("__init__", "__call__")) or (known is not None and key == "__init__"):
            continue
        if inspect.isfunction(function):
            yield from ((f".{key}{name}", said) for name, said in _defaults(function))
        elif known is None and _plain(value) and not key.startswith("__"):
            yield f".{key}", repr(value)


def _defaults(function: Any) -> Iterator[tuple[str, str]]:
    for each in inspect.signature(function).parameters.values():
        if each.default is not each.empty and _plain(each.default):
            yield f"({each.name})", repr(each.default)


def _plain(value: Any) -> bool:
    """Whether a value is a number, a truth value, or a tuple or a dictionary of such."""
    if isinstance(value, tuple | list | frozenset):
        return all(_plain(each) or isinstance(each, str | None) for each in value) and any(_plain(each) for each in value)
    if isinstance(value, dict):
        return _plain(tuple(value.values()))
    return isinstance(value, bool | int | float) and not isinstance(value, type)
