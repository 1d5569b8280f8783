"""Class names as a person writes them, from names of folders, columns and archives."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from coldframe.errors import DataError
from coldframe.files import encoded, read_text
from coldframe.files.reading import read

_NUMBERED = re.compile(r"^(\d+)\s*[._-]+\s*(?=[^\W\d_])")
_NUMBER = re.compile(r"^-\d+(\.\d+)?$")
_BARE = re.compile(r"^n\d{8}$")
_WORDNET = re.compile(r"^n\d{8}[._ -]+(?=\S)")


def by_wordnet(raw: Sequence[str]) -> tuple[str, ...] | None:
    """Return names for WordNet ids alone (``n01440764``), or for the numbers 0 .. 999 of ImageNet's classes; else None.

    The tables are files of timm, which is not imported.
    """
    ids = list(raw)
    if len(raw) == 1000 and {*raw} == {str(number) for number in range(1000)}:
        known = [line.strip() for line in _table("imagenet_synsets.txt").splitlines()]
        ids = [known[int(number)] for number in raw] if len(known) == 1000 else ids
    if not all(_BARE.match(name) for name in ids):
        return None
    lemmas = dict(line.split("\t", 1) for line in _table("imagenet_synset_to_lemma.txt").splitlines() if "\t" in line)
    if any(name not in lemmas for name in ids):
        return None
    names = [lemmas[name].split(",")[0].strip() for name in ids]
    count = Counter(names)
    return tuple(name if count[name] == 1 else f"{name} ({number})" for name, number in zip(names, ids, strict=True))


def _table(name: str) -> str:
    found = importlib.util.find_spec("timm")
    places = [] if found is None or found.submodule_search_locations is None else list(found.submodule_search_locations)
    path = Path(places[0], "data", "_info", name) if places else None
    return read_text(path) if path is not None and path.is_file() else ""


def clean_names(raw: Sequence[str]) -> tuple[str, ...]:
    """Return K readable class names, as distinct as the K names given.

    A WordNet id in front goes (``n01440764_tench``); a number in front goes when it is a numbering of the classes: every
    name has one, and together they are 0 .. K-1 or 1 .. K (``001.Albatross``, ``0 - zero``). So ``2-door car`` and
    ``4-door car`` keep theirs. ``_`` and ``-`` become spaces, but for the sign of a number. A byte that is not UTF-8 is
    written out (``\\udcff``), because a name becomes a text. Names that would become equal stay as they were. WordNet ids
    alone become the names they stand for.

    Example:
        >>> clean_names(["001.Black_footed_Albatross", "002.Least-Auklet"])
        ('Black footed Albatross', 'Least Auklet')
    """
    raw = [encoded(name).decode() for name in raw]
    if (found := by_wordnet(raw)) is not None:
        return found
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
    if _NUMBER.match(name.strip()):
        return name
    bare = _WORDNET.sub("", name.strip())
    bare = _NUMBERED.sub("", bare) if numbered else bare
    return " ".join(re.sub(r"[_-]", " ", bare).split()) or name


def chosen_names(
    raw: Sequence[str], classes: Mapping[str, str] | Sequence[str] | str | Path | None
) -> tuple[str, ...]:
    """Return the class names to use: those given, checked against the data's own in number, or its own, cleaned.

    Names that are keyed by those of the data (``{"n01": "tench"}`` in JSON, ``n01,tench`` or ``n01<tab>tench`` a line) are
    bound by key. Others follow the natural order of the data's names, in which ``class 2`` stands before ``class 10``, where
    the data has them sorted by letters; else the label order.

    Args:
        raw: K names as the data has them, in label order.
        classes: K names, a dictionary of them by the data's names, a text or JSON file of them, or None.

    Raises:
        DataError: another number of names than K, a key that is missing, or one name twice.
    """
    if classes is None:
        return clean_names(raw)
    source = "in classes"
    if isinstance(classes, Mapping):
        classes, order = _all_of(classes, raw, source), list(range(len(raw)))
    elif isinstance(classes, str | Path):
        source = f"in {classes}"
        keyed = _keyed(classes, raw)
        lines = [line.strip() for line in read_text(classes).splitlines() if line.strip()] if keyed is None else []
        classes = lines if keyed is None else keyed
        order = list(range(len(raw))) if keyed is not None else _places(raw)
    else:
        keyed = _by_key([line.split(",", 1) for line in classes], raw)
        classes, order = (classes, _places(raw)) if keyed is None else (keyed, list(range(len(raw))))
    if len(classes) != len(raw):
        raise DataError(
            f"expected {len(raw)} class names {source}, one for each class of the data in label order, "
            f"found {len(classes)}"
        )
    twice = [name for name, times in Counter(classes).items() if times > 1]
    if twice:
        raise DataError(f"expected distinct class names {source}, found {twice[0]!r} twice; rename one of them")
    return tuple(classes[place] for place in order)


def _keyed(path: str | Path, raw: Sequence[str]) -> list[str] | None:
    """Return the names of a file in the order of ``raw`` where it says for each which it is; else None."""
    if Path(path).suffix.lower() == ".json":
        held = read(Path(path), dict[str, str], remedy="map the name of each folder to the name of its class")
        return _all_of(held, raw, f"in {path}")
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    return _by_key([re.split(r"\t|,", line, maxsplit=1) for line in lines], raw)


def _all_of(held: Mapping[str, str], raw: Sequence[str], source: str) -> list[str]:
    found = _by_key([[str(key), str(name)] for key, name in held.items()], raw)
    if found is None:
        absent = next((name for name in raw if name not in held), raw[0])
        raise DataError(f"expected a name for each class of the data {source}, found none for {absent!r}; add it")
    return found


def _by_key(pairs: Sequence[Sequence[str]], raw: Sequence[str]) -> list[str] | None:
    """Return the second of each pair in the order of ``raw`` where the first of them are all of its names; else None."""
    held = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
    return [held[name] for name in raw] if held and all(name in held for name in raw) else None


def _places(raw: Sequence[str]) -> list[int]:
    """Return for each class the place of its name among names in natural order."""
    natural = sorted(range(len(raw)), key=lambda at: [(len(n), n) if n.isdigit() else (0, n) for n in _parts(raw[at])])
    if list(raw) != sorted(raw):
        return list(range(len(raw)))
    places = [0] * len(raw)
    for place, at in enumerate(natural):
        places[at] = place
    return places


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)
