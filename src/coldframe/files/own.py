"""A user's own Python file, named as ``FILE.py:NAME``: run only when the user names it, never because a saved run does."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

from coldframe.errors import InputError, nearest

_SPEC = re.compile(r"(.+\.py):(\w+)")
_named: dict[str, Any] = {}
"""What the user has named in this process."""


def is_own(text: str) -> bool:
    """Return whether a name means something in a file of the user's own.

    Example:
        >>> is_own("./mymethod.py:Lora"), is_own("linear-probe")
        (True, False)
    """
    return _SPEC.fullmatch(text) is not None


def named(text: str) -> bool:
    """Return whether the user has named this in the process already."""
    return text in _named


def own(text: str) -> Any:
    """Run the file and return what has the name in it; a second call returns the same thing.

    Raises:
        InputError: there is no such file, it cannot be run, or nothing in it has the name.
    """
    if text in _named:
        return _named[text]
    match = _SPEC.fullmatch(text)
    if match is None:
        raise InputError(f"expected FILE.py:NAME, such as ./mymethod.py:Lora, found {text!r}")
    path = Path(match[1]).expanduser()
    if not path.is_file():
        raise InputError(f"expected a Python file at {path}, found none; check the path")
    name = f"coldframe_own_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"expected {path} to run, found {type(error).__name__}: {error}; correct the file") from error
    found = getattr(sys.modules[name], match[2], None)
    if found is None:
        raise InputError(f"expected {match[2]} in {path}, found none{nearest(match[2], vars(sys.modules[name]))}")
    _named[text] = found
    return found
