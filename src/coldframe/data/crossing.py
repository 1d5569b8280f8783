"""Cross-validation: every image is a test image once, in one of k data sets that share no test image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldframe.data.base import Dataset, Split
from coldframe.data.joined import Joined
from coldframe.data.splits import share_of, shuffled
from coldframe.data.targets import refuse_several
from coldframe.errors import DataError, InputError

MOST = 20
VAL = 0.2
"""Share of each class of what a fold learns from that becomes its validation split."""


def crossed(dataset: Dataset, folds: int, *, shots: int | None = None, seed: int = 0) -> list[Dataset]:
    """Return k data sets of the same images; the test split of each is another k-th of them, its own splits do not count.

    The images of a class go round the folds, in an order drawn by ``seed``; what belongs together (``groups``) stays in one.
    Each fold draws a fifth of each class of the rest for validation, where a class has an image to give.

    Args:
        dataset: read as a whole.
        folds: k, from 2 to 20.
        shots: training images per class, at most.
        seed: of all draws.

    Raises:
        InputError: k is out of range.
        DataError: a class has one image or one group, so that some fold could not learn it.
    """
    if not 2 <= folds <= MOST:
        raise InputError(f"expected folds from 2 to {MOST}, found {folds}")
    parts = [part for part in dataset.splits if len(part)]
    labels = np.concatenate([part.labels for part in parts])
    grouped = all(part.groups is not None for part in parts)
    groups = tuple(group for part in parts for group in part.groups or ()) if grouped else None
    refuse_several(dataset)
    whole = Split("all", Joined([part.images for part in parts]), labels, dataset.classes, groups)
    numbers = _numbers(whole, folds, seed, dataset.spec)
    found = []
    for fold in range(folds):
        test = whole.subset(np.flatnonzero(numbers == fold), "test")
        if not len(test):
            raise DataError(f"expected {folds} folds with images in {dataset.spec}, found fewer; ask for fewer folds")
        train, val = _divided(whole.subset(np.flatnonzero(numbers != fold), "train"), shots, seed)
        words = f"{folds} folds over all {len(whole):,} images drawn with seed {seed}, each a test split once"
        words += f"; val: {VAL:.0%} of each class of the others" + (f"; {shots} images per class, at most" if shots else "")
        found.append(replace(dataset, train=train, val=val, test=test, origin=f"{dataset.origin}; {words}"))
    return found


def pooled(datasets: Sequence[Dataset]) -> Split:
    """Return the test images of all folds as one split."""
    parts = [dataset.test for dataset in datasets]
    labels = np.concatenate([part.labels for part in parts])
    return Split("test", Joined([part.images for part in parts]), labels, parts[0].classes)


def _numbers(whole: Split, folds: int, seed: int, spec: str) -> NDArray[np.int64]:
    """Return the fold of each image [N]."""
    units = [str(row) for row in range(len(whole))] if whole.groups is None else list(whole.groups)
    what = "image" if whole.groups is None else "group"
    for label, name in enumerate(whole.classes):
        mine = {units[row] for row in np.flatnonzero(whole.labels == label)}
        if len(mine) < 2:
            raise DataError(f"expected 2 {what}s or more of class {name!r} in {spec} for folds, found {len(mine)}; add some")
    numbers = np.full(len(whole), -1, dtype=np.int64)
    if whole.groups is None:
        start = 0
        for label, name in enumerate(whole.classes):
            rows = np.flatnonzero(whole.labels == label)[shuffled(seed, name, int((whole.labels == label).sum()))]
            numbers[rows] = (np.arange(len(rows)) + start) % folds
            start += len(rows)
        return numbers
    places = np.asarray([list(dict.fromkeys(whole.groups)).index(group) for group in whole.groups])
    counts = np.zeros((places.max() + 1, len(whole.classes)), dtype=np.int64)
    np.add.at(counts, (places, whole.labels), 1)
    held = np.zeros((folds, len(whole.classes)))
    owner = np.zeros(len(counts), dtype=np.int64)
    order = shuffled(seed, "groups", len(counts))
    for group in sorted(order, key=lambda at: -int(counts[at].sum())):
        owner[group] = int((held[:, counts[group] > 0].sum(1) + 1e-6 * held.sum(1)).argmin())  # where its classes are fewest
        held[owner[group]] += counts[group]
    return np.asarray(owner[places])


def _divided(rest: Split, shots: int | None, seed: int) -> tuple[Split, Split]:
    """Return train and val of what a fold learns from."""
    train: list[int] = []
    val: list[int] = []
    whole = {} if rest.groups is None else {group: number for number, group in enumerate(sorted(set(rest.groups)))}
    for label, name in enumerate(rest.classes):
        rows = np.flatnonzero(rest.labels == label)
        order = [int(rows[at]) for at in shuffled(seed, name, len(rows))]
        count = min(share_of(len(order), VAL), len(order) - 1) if order else 0
        if shots is not None:
            count = min(count, max(shots, 4))
        if rest.groups is not None:  # whole groups, as many as the share allows
            drawn = {g for g in whole if _draws(seed, g) < VAL}
            inside = [row for row in order if rest.groups[row] in drawn]
            inside = inside if len(inside) < len(order) else []
        else:
            inside = order[len(order) - count :]
        kept = [row for row in order if row not in set(inside)]
        val += inside
        train += kept if shots is None else kept[:shots]
    if rest.groups is not None:
        both = {rest.groups[row] for row in train}
        val = [row for row in val if rest.groups[row] not in both]
    return rest.subset(sorted(train), "train"), rest.subset(sorted(val), "val")


def _draws(seed: int, group: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the group alone."""
    return shuffled(seed, f"val {group}", 1000)[0] / 1000
