"""Import timm and torchvision without torch's compiler, which they load for questions that are rarely put.

Two of their modules, ``torchvision.ops.roi_align`` and ``timm.models.naflexvit``, ask torch's compiler for one function each,
and so load all of it with sympy: about half of what ``coldframe predict`` did for one photograph. Here those two, while they
are imported, get a function that asks the compiler when it is called. Nothing else meets a stand-in, and a compiler that is
loaded already is used as ever.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_UTILS, _QUESTION = f"{_COMPILER}.utils", "is_compile_supported"


def put_off_compiler() -> None:
    """Let later imports of timm and torchvision leave out torch's compiler; without effect where it is loaded already."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _StandIn(ModuleType):
    """In place of ``torch._dynamo.utils``: its one function is asked for when it is called; for the rest it is the real one."""

    def __getattr__(self, name: str) -> Any:
        if name == _QUESTION:
            return _asked
        if name.startswith("__"):  # what Python's import asks of any module
            raise AttributeError(name)
        if sys.modules.get(_UTILS) is self:
            del sys.modules[_UTILS]
        return getattr(importlib.import_module(_UTILS), name)


def _asked(*words: Any, **named: Any) -> Any:
    return getattr(importlib.import_module(_UTILS), _QUESTION)(*words, **named)


@contextmanager
def _question_put_off() -> Iterator[None]:
    stand_in = sys.modules[_UTILS] = _StandIn(_UTILS)
    try:
        yield
    finally:
        if sys.modules.get(_UTILS) is stand_in:
            del sys.modules[_UTILS]


def _disabled(call: Callable[..., Any]) -> Callable[..., Any]:
    """Keep a function out of compiled graphs, as ``torch.compiler.disable`` does, from when there is a compiler."""

    @functools.wraps(call)
    def run(*words: Any, **named: Any) -> Any:
        if _COMPILER not in sys.modules:
            return call(*words, **named)
        return importlib.import_module("torch.compiler").disable(call)(*words, **named)

    return run


@contextmanager
def _disabling_put_off() -> Iterator[None]:
    layers: Any = importlib.import_module("timm.layers")
    real, layers.disable_compiler = layers.disable_compiler, _disabled
    try:
        yield
    finally:
        layers.disable_compiler = real


_PUT_OFF: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "torchvision.ops.roi_align": _question_put_off,
    "timm.models.naflexvit": _disabling_put_off,
}


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in _PUT_OFF or _COMPILER in sys.modules:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _PUT_OFF[module.__name__]():
            super().exec_module(module)
