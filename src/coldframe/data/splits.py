"""Three splits from whatever a data set brings: official ones are kept, missing ones are drawn by seed.

Every draw is stratified and depends on nothing but the seed, the class's name and the position of an image in its
class: the images of a class are ordered by a hash of these three; training images are taken from the front, test
images from the end, validation images before them. So the images of ``shots=1`` are among those of ``shots=4``, and a
class that is added changes no other class. A drawn test split takes seed 0 whatever the seed is, so that all seeds are
measured on the same images.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from coldframe.data.base import Dataset, Images, LoadOptions, Split, Unreadable
from coldframe.data.decode import WHITE
from coldframe.data.names import by_wordnet, chosen_names
from coldframe.data.targets import rarest
from coldframe.errors import ColdframeError, DataError, InputError

TEST_SHARE = 0.2
"""Share of each class that becomes the test split where the data has none."""
TEST_SEED = 0
"""A drawn test split is the same for all seeds, so that methods and seeds are compared on the same images."""
LEAST_VAL = 4
"""With few shots, validation images per class are at most this many or the shots, whichever is more."""

Rows = NDArray[np.int64]


def assemble(
    spec: str, train: Split, val: Split | None, test: Split | None, options: LoadOptions, labels_in: str = ""
) -> Dataset:
    """Return a data set of three splits with readable class names.

    Args:
        spec: the text that loads the data again.
        train: the official training images, or all images where there are no official splits; raw class names.
        val: the official validation images, with the same classes, or None to draw them from ``train``. Without
            ``test`` they become the test split, as is the habit with such data, and ``val`` is drawn from ``train``.
        test: the official test images, with the same classes, or None to draw a fifth of each class from ``train``.
        options: seed, shots, validation share, class names, and what to do with unreadable files.
        labels_in: where the labels stand, such as the column of a file, for errors; ``spec`` when empty.

    A validation split is the share ``options.val`` of each class of what remains for training, and at least one image.
    With ``shots`` it is at most ``max(shots, 4)`` images per class, drawn from images that are not shots: a choice made
    on many more images than the model learns from would not be a few-shot result. Official validation and test splits
    are never cut. A drawn test split is the same for any ``shots``. A class that is too small for ``shots`` is split as it
    would be without, and ``origin`` names it. Class names without any image are left out.

    Raises:
        DataError: a class has too few images, or is tested and not trained.
        InputError: a number of validation images is asked for that the data cannot give.
    """
    if test is None:
        val, test = None, val
    given: dict[str, Split | None] = {"train": train, "val": val, "test": test}
    splits = {name: replace(split, name=name) for name, split in given.items() if split is not None}
    skipped: dict[str, str] = {}
    if options.on_error == "skip":
        for name, split in splits.items():
            splits[name], bad = drop_unreadable(split)
            skipped |= bad
    names = chosen_names(train.classes, options.classes)
    named = options.classes is None and by_wordnet(train.classes) is not None
    splits, unused = _drop_unused({name: replace(split, classes=names) for name, split in splits.items()})
    if options.whole:
        return _whole(spec, splits, skipped, unused)
    _check_trained(spec, splits, labels_in)
    kept = "official " + " and ".join(splits) if len(splits) > 1 else ""
    held = _hold_out(spec, splits, options)
    drawn, words = _draw(spec, splits, options)
    notes = [kept, *held, *words]
    if options.classes is not None:
        pairs = [f"{mine}: {given}" for mine, given in zip(train.classes, names, strict=True) if mine != given]
        notes.append(f"class names given, {', '.join(pairs[:10])}{' ...' if len(pairs) > 10 else ''}" if pairs else "")
    notes.append(_depth(drawn["train"]))
    if named:
        notes.append(f"names of WordNet ids by timm's table, such as {train.classes[0]}: {names[0]}")
    if unused:
        notes.append(f"{unused} class names without images left out")
    notes += [f"unreadable files left out: {len(skipped)} ({counted(skipped.values())})"] if skipped else []
    return Dataset(spec, drawn["train"], drawn["val"], drawn["test"], "; ".join(filter(None, notes)), tuple(skipped), skipped)


def _whole(spec: str, splits: dict[str, Split], skipped: dict[str, str], unused: int) -> Dataset:
    """Return every image as the test split."""
    from coldframe.data.joined import Joined

    parts = list(splits.values())
    labels = np.concatenate([part.labels for part in parts])
    if not len(labels):
        raise DataError(f"expected images in {spec}, found none that can be used")
    tags = None if parts[0].tags is None else np.concatenate([part.tags for part in parts if part.tags is not None])
    every = Split("test", Joined([part.images for part in parts]), labels, parts[0].classes, tags=tags)
    none = every.subset(np.zeros(0, dtype=np.int64))
    notes = [f"all {len(labels):,} images as one split"]
    notes += [f"{unused} class names without images left out"] if unused else []
    notes += [f"unreadable files left out: {len(skipped)} ({counted(skipped.values())})"] if skipped else []
    train, val = replace(none, name="train"), replace(none, name="val")
    return Dataset(spec, train, val, every, "; ".join(notes), tuple(skipped), skipped)


def _depth(split: Split) -> str:
    """Say how deep grey is scaled, where the first picture is of that kind."""
    try:
        white = split.images.open(0).info.get(WHITE)
    except DataError:  # said where it is used
        return ""
    return "" if white is None else f"grey of more than 8 bits: {white} is white in the first picture, by each one's depth"


def drop_unreadable(split: Split) -> tuple[Split, dict[str, str]]:
    """Return the split without the images that do not decode, and these by name with the reason of each."""
    bad = unreadable(split.images)
    if not bad:
        return split, {}
    good = np.setdiff1d(np.arange(len(split)), list(bad))
    return split.subset(good), {split.images.name(index): reason for index, reason in bad.items()}


def check_readable(split: Split) -> None:
    """Look at every image, so that a fault of the last is said before the first is worked on.

    Raises:
        Unreadable: the first that does not decode.
    """
    if bad := unreadable(split.images):
        split.images.open(min(bad))


def unreadable(images: Images) -> dict[int, str]:
    """Return the numbers of the images that cannot be used, each with a few words why; threads try every image."""
    check = getattr(images, "check", images.open)

    def fault(index: int) -> str:
        try:
            check(index)
        except Unreadable as error:
            return error.reason
        except ColdframeError:
            return "cannot be read"
        return ""

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return {index: reason for index, reason in enumerate(pool.map(fault, range(len(images)))) if reason}


def counted(reasons: Iterable[str]) -> str:
    """Return how often each reason occurs, the commonest first.

    Example:
        >>> counted(["missing", "not an image", "missing"])
        '2 missing, 1 not an image'
    """
    return ", ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())


def shuffled(seed: int, group: str, count: int) -> list[int]:
    """Return 0 .. count-1 in an order that depends on ``seed`` and ``group`` only, on every machine and for ever."""

    def key(position: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{group}:{position}".encode(), digest_size=8).digest()

    return sorted(range(count), key=key)


def share_of(count: int, share: float) -> int:
    """Return how many of ``count`` images a share is: rounded half up, at least one."""
    return max(1, int(count * share + 0.5))


def _hold_out(spec: str, splits: dict[str, Split], options: LoadOptions) -> list[str]:
    """Take a validation split of ``options.val`` images from train where a number is asked for, and say so."""
    count, train = options.val, splits["train"]
    if not isinstance(count, int) or "val" in splits:
        return []
    if "test" not in splits:
        said = f"expected a test split in {spec} beside val={count} images of train, found none"
        raise InputError(f"{said}: the one that is drawn is a fixed share of each class; give val as a share")
    if count >= len(train):
        raise InputError(f"expected val below the {len(train):,} images of train in {spec}, found {count:,}; give fewer")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(options.seed)).numpy()
    splits["val"] = train.subset(np.sort(order[-count:]), "val")
    splits["train"] = train.subset(np.sort(order[:-count]), "train")
    _check_trained(spec, splits)
    return [f"val: {count:,} images of train drawn with seed {options.seed}"]


def _draw(spec: str, splits: dict[str, Split], options: LoadOptions) -> tuple[dict[str, Split], list[str]]:
    train = splits["train"]
    missing = [name for name in ("val", "test") if name not in splits]
    if not missing and options.shots is None:
        return splits, []
    if train.groups is not None and missing:
        from coldframe.data.groups import held_apart

        splits, words = held_apart(spec, splits, missing, options.seed, TEST_SEED, options.val, TEST_SHARE)
        if options.shots is None:
            return splits, words
        drawn, more = _draw(spec, splits, options)
        return drawn, words + more
    taken: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    short: list[str] = []
    strata = train.labels if train.tags is None else rarest(train.tags)
    for label, name in enumerate(train.classes if train.tags is None else (*train.classes, "")):
        rows = np.flatnonzero(strata == label)
        order = [int(rows[position]) for position in shuffled(options.seed, name, len(rows))]
        need = 1 + len(missing)
        if len(order) < need and train.tags is not None:
            taken["train"] += order
            continue
        if len(order) < need:
            raise DataError(_too_few(spec, name, len(order), need, missing))
        if "test" in missing:
            most = len(order) - len(missing)
            fixed = [int(rows[position]) for position in shuffled(TEST_SEED, name, len(rows))]
            fixed, taken["test"][len(taken["test"]) :] = _cut(fixed, min(most, share_of(len(order), TEST_SHARE)))
            remaining = set(fixed)
            order = [row for row in order if row in remaining]
        if "val" in missing:
            most = len(order) - 1
            if options.shots is not None:
                enough = len(order) > options.shots  # else no choice gives the shots, and val keeps its share
                most = min(len(order) - options.shots if enough else most, max(options.shots, LEAST_VAL))
            order, taken["val"][len(taken["val"]) :] = _cut(order, min(most, share_of(len(order), options.val)))
        taken["train"] += order[: options.shots]
        if options.shots is not None and len(order) < options.shots:
            short.append(f"{name} has {len(order)}")
    result = splits | {name: train.subset(sorted(taken[name]), name) for name in ("train", *missing)}
    words = _words(missing, options, short)
    return result, words if train.tags is None else [f"{word}, by the rarest label of each image" for word in words]


def _cut(order: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    return list(order[: len(order) - count]), list(order[len(order) - count :])


def _words(missing: list[str], options: LoadOptions, short: Sequence[str]) -> list[str]:
    words = []
    if "test" in missing:
        words.append(f"test: {TEST_SHARE:.0%} of each class drawn with seed {TEST_SEED}, whatever the seed")
    if "val" in missing:
        limit = "" if options.shots is None else f", at most {max(options.shots, LEAST_VAL)} a class,"
        words.append(f"val: {options.val:.0%} of each class of train{limit} drawn with seed {options.seed}")
    if options.shots is not None:
        more = f" and {len(short) - 5} more classes have fewer" if len(short) > 5 else ""
        fewer = f" ({', '.join(short[:5])}{more})" if short else ""
        words.append(f"train: {options.shots} images per class{fewer} drawn with seed {options.seed}")
    return words


def _too_few(spec: str, name: str, count: int, need: int, missing: list[str]) -> str:
    images = "1 image" if count == 1 else f"{count} images"
    said = f"class {name!r} of {spec} has {images}, but {need} are needed, one each for {' and '.join(['train', *missing])}"
    return f"{said}; add images or remove the class"


def _drop_unused(splits: dict[str, Split]) -> tuple[dict[str, Split], int]:
    """Leave out class names that no split has an image of."""
    classes = splits["train"].classes
    used = np.zeros(len(classes), dtype=bool)
    for split in splits.values():
        used |= split.tags.any(0) if split.tags is not None else np.isin(np.arange(len(classes)), split.labels)
    if used.all():
        return splits, 0
    index = np.maximum(np.cumsum(used) - 1, 0)
    names = tuple(name for name, keep in zip(classes, used, strict=True) if keep)

    def remapped(split: Split) -> Split:
        tags = None if split.tags is None else split.tags[:, used]
        return replace(split, labels=index[split.labels].astype(np.int64), classes=names, tags=tags)

    return {key: remapped(split) for key, split in splits.items()}, int((~used).sum())


def _check_trained(spec: str, splits: dict[str, Split], labels_in: str = "") -> None:
    train = splits["train"]
    if not len(train):
        raise DataError(f"expected training images in {spec}, found none that can be used")
    for name, split in splits.items():
        alien = np.setdiff1d(split.labels, train.labels)
        if split.tags is not None and train.tags is not None:
            alien = np.flatnonzero(split.tags.any(0) & ~train.tags.any(0))
        if len(alien):
            said = f"class {train.classes[int(alien[0])]!r} of {spec} has {name} images but no training images"
            raise DataError(f"{said}; add training images or remove it from {name}")
    if len(train.classes) < 2:
        count = sum(len(split) for split in splits.values())
        found = f"{train.classes[0]!r} alone, of {count:,} image{'s' * (count > 1)}"
        raise DataError(f"expected two classes or more in {labels_in or spec}, found {found}; add images of another class")
