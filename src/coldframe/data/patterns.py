"""Classes and groups read from names of files: ``{class}_*``, ``{group}-#``. ``*`` is anything, ``#`` digits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from coldframe.errors import DataError, InputError


def matched(pattern: str, what: str, paths: Sequence[str], spec: str) -> list[str]:
    """Return what stands at ``{class}`` or ``{group}`` of each path.

    The pattern is of the name without its ending; one with a ``/`` is of the whole path below the folder, ending aside. Where a
    name can be read in two ways, the longer counts if only digits are left over in every name (``great_dane_12``), else the
    pattern is refused.

    Args:
        pattern: see the module; in the pattern of groups, ``{class}`` is anything.
        what: ``"class"`` or ``"group"``.
        paths: with ``/`` between folders.
        spec: for errors.

    Raises:
        InputError: the pattern has no such place, or two.
        DataError: a name does not fit, or fits in two ways.

    Example:
        >>> matched("{class}_*", "class", ["a/red_rose_1.jpg", "a/tulip_2.jpg"], "folder:a")
        ['red_rose', 'tulip']
    """
    if pattern.count(f"{{{what}}}") != 1:
        said = f"expected {{{what}}} once in the pattern of {spec}, found {pattern!r}"
        raise InputError(f"{said}; write one such as {{{what}}}_*")
    pieces = re.split(r"(\{class\}|\{group\}|\*|#)", pattern)

    def compiled(own: str, rest: str) -> re.Pattern[str]:
        kinds = {"{class}": rest, "{group}": rest, "*": rest, "#": r"(?<!\d)\d+"} | {f"{{{what}}}": own}
        return re.compile("".join(kinds.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)

    inner = "[^/]" if "/" in pattern else "."
    long, short = compiled(f"({inner}+)", f"{inner}*?"), compiled(f"({inner}+?)", f"{inner}*")
    digits = compiled(f"({inner}+)", r"[\d ().-]*")
    names = [path.rpartition(".")[0] if "/" in pattern else path.rpartition("/")[2].rpartition(".")[0] for path in paths]
    found = [long.fullmatch(name) for name in names]
    missing = next((n for n, match in enumerate(found) if match is None), None)
    if missing is not None:
        said = f"expected names like {pattern} in {spec}, found {paths[missing]}"
        raise DataError(f"{said}; correct the pattern or move the file")
    numbered = [digits.fullmatch(name) for name in names]
    if all(numbered):
        return [match[1] for match in numbered if match]
    for name, one in zip(names, found, strict=True):
        other = short.fullmatch(name)
        if one and other and one[1] != other[1]:
            said = f"expected one reading of {name!r} by {pattern} in {spec}, found {other[1]!r} and {one[1]!r}"
            raise DataError(f"{said}; say more of the name, # stands for digits")
    return [match[1] for match in found if match]
