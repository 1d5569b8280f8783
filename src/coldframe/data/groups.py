"""Splits that keep what belongs together in one of them: one patient, one video, one plate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from coldframe.data.base import Split
from coldframe.errors import DataError


def held_apart(
    spec: str, splits: dict[str, Split], missing: Sequence[str], seed: int, test_seed: int, val: float, test: float
) -> tuple[dict[str, Split], list[str]]:
    """Draw the missing splits from train by whole groups, and say so.

    Groups come in the order of a hash of the seed and their name; one goes to the split while a class that it has lacks its
    share there, and while each of its classes keeps another group in train.

    Args:
        spec: for errors.
        splits: the official ones; train has groups.
        missing: ``"val"``, ``"test"`` or both.
        seed: of val.
        test_seed: of test.
        val: share of the images of each class of what remains.
        test: share of the images of each class.

    Raises:
        DataError: no group can be given away.
    """
    result, words = dict(splits), []
    for name in [split for split in ("test", "val") if split in missing]:
        train = result["train"]
        assert train.groups is not None
        drawn = test_seed if name == "test" else seed
        chosen = _chosen(train, test if name == "test" else min(val, 0.99), drawn)
        if not chosen:
            count = len(set(train.groups))
            said = f"expected several groups in each class of {spec} for a {name} split, found {count} groups that"
            raise DataError(f"{said} cannot be divided; give a split of your own, or leave ?group= out")
        inside = np.asarray([group in chosen for group in train.groups])
        result[name] = train.subset(np.flatnonzero(inside), name)
        result["train"] = train.subset(np.flatnonzero(~inside), "train")
        without = set(train.labels.tolist()) - set(result[name].labels.tolist())
        lacking = f", no images of {len(without)} classes that have one group" if without else ""
        words.append(f"{name}: {len(chosen)} whole groups of {len(set(train.groups))}{lacking}, drawn with seed {drawn}")
    known: dict[str, set[str]] = {split: set(result[split].groups or ()) for split in result}
    for one, other in (("train", "test"), ("train", "val"), ("val", "test")):
        both = known.get(one, set()) & known.get(other, set())
        if both:
            words.append(f"{len(both)} groups lie in both {one} and {other}")
    return result, words


def _chosen(train: Split, share: float, seed: int) -> set[str]:
    assert train.groups is not None
    classes = len(train.classes)
    counts: dict[str, np.ndarray] = {}  # images of each class [K] a group
    for group, label in zip(train.groups, train.labels.tolist(), strict=True):
        counts.setdefault(group, np.zeros(classes, dtype=np.int64))[label] += 1
    total = np.bincount(train.labels, minlength=classes)
    left = np.sum([count > 0 for count in counts.values()], axis=0)  # groups that each class keeps [K]
    need = total * share
    given = np.zeros(classes)
    chosen: set[str] = set()
    for group in sorted(counts, key=lambda name: _order(seed, name)):
        count = counts[group]
        holds = count > 0
        wanted = np.minimum(count, np.maximum(need - given, 0)).sum()
        if (left[holds] > 1).all() and wanted * 2 >= count.sum():
            chosen.add(group)
            given += count
            left = left - holds
    return chosen


def _order(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
