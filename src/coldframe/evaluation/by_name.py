"""The classes of some data bound to those of a fitted method: by their names, never by their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coldframe.data.base import Split
from coldframe.data.targets import rarest
from coldframe.errors import InputError
from coldframe.methods.base import Method

SHOWN = 5


_FRONT = re.compile(r"^(?:n\d{8}|\d+)[\s._-]+(?=[^\W\d_])")
"""A WordNet id or a number in front of a name."""


def folded(name: str) -> str:
    """Return what names of one class have in common: letters without case, ``_`` and ``-`` as spaces, no number in front.

    Example:
        >>> folded("001.Black_footed-Albatross")
        'black footed albatross'
    """
    return " ".join(_FRONT.sub("", name.strip()).replace("_", " ").replace("-", " ").casefold().split())


def bound(method: Method, split: Split) -> tuple[Method, Split, list[str]]:
    """Return a method and a split of the same classes, and what had to be done for it, in words.

    Another order is no fault. A method that scores texts takes the names of the data. Any other keeps its classes: images of
    a class that it has not learned are left out, and classes without images stay among the answers.

    Args:
        method: fitted.
        split: some images.

    Raises:
        InputError: no class of the data is known.
    """
    mine, theirs = method.classes, split.classes
    method.check_targets(split)
    if mine == theirs:
        return method, split, []
    places = matched(mine, theirs)
    if split.tags is not None:
        return method, *_retagged(method, split, places)
    known = [at for at in places if at is not None]
    if len(known) == len(theirs) == len(mine):
        return method, _remapped(split, mine, places), ["classes are bound by name: the data has them in another order"]
    if not method.labels_alone(theirs):
        return method.with_classes(theirs), split, [f"scored among the {len(theirs):,} class names of the data"]
    if not known:
        shown = f"{_shown(mine)} learned, {_shown(theirs)} in the data"
        raise InputError(
            f"expected a class of the data among the {len(mine):,} that {method.name} learned, found none ({shown}); "
            "fit it on this data, or give the class names with --classes"
        )
    notes = []
    new = [name for name, at in zip(theirs, places, strict=True) if at is None]
    if new:
        out = int(np.isin(split.labels, [k for k, at in enumerate(places) if at is None]).sum())
        notes.append(f"{len(new):,} classes that were not learned ({_shown(new)}): their {out:,} images are left out")
    absent = sorted(set(range(len(mine))) - set(known))
    if absent:
        notes.append(f"{len(absent):,} learned classes have no images here ({_shown([mine[k] for k in absent])})")
    found = _remapped(split, mine, places)
    if not len(found):
        raise InputError(f"expected images of a class that {method.name} learned, found none: {notes[0]}")
    return method, found, [*notes, f"scored among the {len(mine):,} classes that were learned, {len(known):,} of them here"]


def matched(mine: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """Return for each name of ``theirs`` the place of the same name in ``mine``, or None.

    Names that differ in case, ``_``, ``-`` and a number in front alone are the same where that is meant of one class only.
    """
    exact = {name: at for at, name in enumerate(mine)}
    count, other = Counter(map(folded, mine)), Counter(map(folded, theirs))
    loose = {folded(name): at for at, name in enumerate(mine) if count[folded(name)] == 1 and other[folded(name)] == 1}
    return [exact.get(name, loose.get(folded(name))) for name in theirs]


def _remapped(split: Split, classes: tuple[str, ...], places: Sequence[int | None]) -> Split:
    moved = np.array([-1 if at is None else at for at in places], dtype=np.int64)
    kept = np.flatnonzero(moved[split.labels] >= 0)
    held = split if len(kept) == len(split) else split.subset(kept)
    return replace(held, labels=moved[held.labels], classes=classes)


def _retagged(method: Method, split: Split, places: Sequence[int | None]) -> tuple[Split, list[str]]:
    """Return a split with several labels among those that were learned; others do not count."""
    assert split.tags is not None
    tags = np.zeros((len(split), len(method.classes)), dtype=np.bool_)
    for k, at in enumerate(places):
        if at is not None:
            tags[:, at] = split.tags[:, k]
    if not tags.any():
        raise InputError(
            f"expected a label of the data among the {len(method.classes):,} that {method.name} learned, found none; "
            "fit it on this data, or give the names with --classes"
        )
    new = [name for name, at in zip(split.classes, places, strict=True) if at is None]
    notes = [f"{len(new):,} labels that were not learned do not count ({_shown(new)})"] if new else []
    labels = np.minimum(rarest(tags), tags.shape[1] - 1)
    return replace(split, labels=labels, classes=method.classes, tags=tags), ["labels are bound by name", *notes]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
