"""Class names as a person writes them, from names of folders, columns and archives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from coldframe.errors import DataError
from coldframe.files import encoded, read_text

_NUMBERED = re.compile(r"^(\d+)\s*[._-]+\s*(?=[^\W\d_])")
_WORDNET = re.compile(r"^n\d{8}[._ -]+(?=\S)")


def clean_names(raw: Sequence[str]) -> tuple[str, ...]:
    """Return K readable class names, as distinct as the K names given.

    A WordNet id in front goes (``n01440764_tench``); a number in front goes when it is a numbering of the classes: every
    name has one, and together they are 0 .. K-1 or 1 .. K (``001.Albatross``, ``0 - zero``). So ``2-door car`` and
    ``4-door car`` keep theirs. ``_`` and ``-`` become spaces. A byte that is not UTF-8 is written out (``\\udcff``), because
    a name becomes a text. Names that would become equal stay as they were.

    Example:
        >>> clean_names(["001.Black_footed_Albatross", "002.Least-Auklet"])
        ('Black footed Albatross', 'Least Auklet')
    """
    raw = [encoded(name).decode() for name in raw]
    numbered = _is_numbering(raw)
    cleaned = [_clean(name, numbered) for name in raw]
    count = Counter(cleaned)
    kept = [new if count[new] == 1 else old for new, old in zip(cleaned, raw, strict=True)]
    return tuple(kept if len(set(kept)) == len(kept) else raw)


def _is_numbering(raw: Sequence[str]) -> bool:
    found = [_NUMBERED.match(name) for name in raw]
    if len(raw) < 2 or not all(found):
        return False
    numbers = sorted(int(match[1]) for match in found if match is not None)
    return numbers in ([*range(len(raw))], [*range(1, len(raw) + 1)])


def _clean(name: str, numbered: bool) -> str:
    bare = _WORDNET.sub("", name.strip())
    bare = _NUMBERED.sub("", bare) if numbered else bare
    return " ".join(re.sub(r"[_-]", " ", bare).split()) or name


def chosen_names(raw: Sequence[str], classes: Sequence[str] | str | Path | None) -> tuple[str, ...]:
    """Return the class names to use: those given, checked against the data's own in number, or its own, cleaned.

    Args:
        raw: K names as the data has them, in label order.
        classes: K names in label order, a text file with one name a line, or None.

    Raises:
        DataError: another number of names than K, or one name twice.
    """
    if classes is None:
        return clean_names(raw)
    source = "in classes"
    if isinstance(classes, str | Path):
        source = f"in {classes}"
        classes = [line.strip() for line in read_text(classes).splitlines() if line.strip()]
    if len(classes) != len(raw):
        raise DataError(
            f"expected {len(raw)} class names {source}, one for each class of the data in label order, "
            f"found {len(classes)}"
        )
    twice = [name for name, times in Counter(classes).items() if times > 1]
    if twice:
        raise DataError(f"expected distinct class names {source}, found {twice[0]!r} twice; rename one of them")
    return tuple(classes)
