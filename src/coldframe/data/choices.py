"""Choices behind the ``?`` of a spec, as in ``csv:list.csv?label=species&group=patient``."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from coldframe.errors import InputError, nearest
from coldframe.files import exists


def choices_of(kind: str, rest: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the place and the choices of a spec; a ``?`` in a path that exists is part of the path.

    Args:
        kind: the kind of data, for errors.
        rest: the spec without its kind.
        known: the names that may be chosen.

    Raises:
        InputError: another name, a name twice, or one without a value.

    Example:
        >>> choices_of("csv", "list.csv?label=species", ["label"])
        ('list.csv', {'label': 'species'})
    """
    place, mark, query = rest.rpartition("?")
    if not mark or exists(rest):
        return rest, {}
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    found = dict(pairs)
    for key, value in pairs:
        if key not in known:
            raise InputError(f"unknown choice {key!r} in {kind}:{rest}{nearest(key, known)}")
        if not value or value != found[key]:
            what = "two values" if value else "none"
            raise InputError(f"expected one value for {key!r} in {kind}:{rest}, found {what}; write {key}=NAME")
    return place, found
