"""Which folders are splits and which are classes: one check of what a folder of folders may mean, before anything is learned.

What is clear is handled and said; what could mean two things is refused in a sentence that names the folder or the choice
meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from coldframe.data.rows import SPLIT_WORDS
from coldframe.data.tree import Tree
from coldframe.errors import DataError

At = tuple[str, ...]
_FILLING = frozenset(
    ["set", "data", "dataset", "images", "image", "imgs", "img", "seg", "split", "samples", "folder", "new", "final"]
)
_SPELT = {**SPLIT_WORDS, "eval": "test", "evaluation": "test", "holdout": "test", "tr": "train", "te": "test"}
_UNLABELLED = frozenset(["pred", "predict", "prediction", "unlabeled", "unlabelled", "unknown", "inference"])
_PHOTOS = frozenset(["images", "image", "imgs", "img", "photos", "jpegimages"])
_MASKS = frozenset(
    ["masks", "mask", "annotations", "annotation", "segmentations", "segmentation", "groundtruth", "gt", "labels", "depth"]
)
_MASKED = re.compile(r"^(.+?)[_ .-](?:mask|masks|seg|segmentation|gt|label|annotation)(?:[_ -]?\d+)?$", re.IGNORECASE)


@dataclass
class Layout:
    """What a folder was found to mean.

    Args:
        splits: split -> class -> image files below the root; one split, ``train``, where there are none.
        notes: what was decided, in words.
    """

    splits: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def split_word(name: str) -> str:
    """Return train, val or test where a folder's name spells one, however; ``none`` for images to predict; else nothing.

    Example:
        >>> split_word("Training_Set"), split_word("seg_test"), split_word("TrainData2"), split_word("steam train")
        ('train', 'test', 'train', '')
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    words = [word.lower() for word in words if word.lower() not in _FILLING]
    if len(words) != 1:
        return ""
    word = words[0]
    for filling in ("set", "data", "images"):
        word = word.removesuffix(filling) if word.removesuffix(filling) in _SPELT else word
    return _SPELT.get(word, "none" if word in _UNLABELLED else "")


def layout_of(tree: Tree, *, level: int = 0, ending: str = "", whole: bool = False) -> Layout:
    """Return the splits and classes of a folder.

    Args:
        tree: what lies there.
        level: which folders below a split are the classes, counted from 1; 0 finds out.
        ending: the only ending of images that counts; empty for all.
        whole: nothing is learned from the images, so that no split and no class has to be in train.

    Raises:
        DataError: no classes, or two meanings.
    """
    found = Layout()
    _keep_ending(tree, ending, found)
    at = _inner(tree, (), found) if not level else ()
    tops = tree.kept(at)
    words = {name: split_word(name) for name in tops}
    # A split may hold loose images beside its class folders.
    nested = {
        name for name in tops
        if len(tree.kept((*at, name))) >= (2 if tree.images[(*at, name)] and words[name] else 1)
        and (words[name] or not tree.images[(*at, name)])
    }  # fmt: skip
    places = _splits(tree, at, words, nested, found, whole)
    if not places:
        places = {"train": at}
        _refuse_doubtful_tops(tree, at, words, nested)
    else:
        said = ", ".join(f"{split} {'/'.join(place[len(at):])}" for split, place in places.items())
        found.notes.append(f"split folders: {said}")
    for split, place in places.items():
        classes = _classes(tree, place, split, level, found, alone=places == {"train": at}, lax=whole)
        if classes:
            found.splits[split] = classes
    if found.splits.get("test") and set(found.splits["test"]) == {"unknown"} and "unknown" not in found.splits.get("train", {}):
        found.notes.append(f"test/unknown left out: {len(found.splits.pop('test')['unknown']):,} images without labels")
    _pairs(tree, found)
    return found


def _inner(tree: Tree, at: At, found: Layout, *, split: bool = False) -> At:
    """Return the folder that holds the data where one folder alone lies above it; in a split it may be called like one."""
    here = at
    while not tree.images[here]:
        inside = tree.kept(here)
        if len(inside) != 1 or (split_word(inside[0]) == "train" and not split) or len(tree.kept((*here, inside[0]))) < 1:
            break
        if tree.images[(*here, inside[0])]:
            break
        here = (*here, inside[0])
    if len(tree.kept(here)) < 2 and not split_word((tree.kept(here) or [""])[0]):
        return at
    if here != at:
        found.notes.append(f"read below {'/'.join(here[len(at):])}/")
    return here


def _splits(
    tree: Tree, at: At, words: dict[str, str], nested: set[str], found: Layout, whole: bool
) -> dict[str, At]:
    """Return split -> folder, where folders of splits hold folders."""
    places: dict[str, At] = {}
    for name in words:
        split = words[name]
        if split in ("train", "val", "test") and name in nested:
            if split in places:
                first = places[split][-1]
                said = f"expected one {split} folder in {tree.path(*at)}, found {first}/ and {name}/"
                raise DataError(f"{said}; move one of them away")
            places[split] = (*at, name)
    if not places or ("train" not in places and len(places) < len(words)):
        return {}
    if "train" not in places and not whole:
        shown = " and ".join(f"{place[-1]}/" for place in places.values())
        raise DataError(f"expected a train folder in {tree.path(*at)}, found only {shown}; give the folder of classes, as in "
                        f"folder:{tree.path(*next(iter(places.values())))}")  # fmt: skip
    for name in words:
        if (*at, name) not in places.values():
            count = len(tree.below((*at, name)))
            why = "no class folders" if words[name] and name not in nested else "no folder of a split"
            found.notes.append(f"{name}/ left out: {count:,} images, {why}")
    places = {split: _inner(tree, place, found, split=True) for split, place in places.items()}
    return {split: places[split] for split in ("train", "val", "test") if split in places}


def _refuse_doubtful_tops(tree: Tree, at: At, words: dict[str, str], nested: set[str]) -> None:
    root = tree.path(*at)
    if words and all(words.values()):
        tables = [name for name in words if tree.tables[(*at, name)]]
        place = tree.path(*at, tables[0], tree.tables[(*at, tables[0])][0]) if tables else None
        place = tree.path(*at, tree.tables[at][0]) if place is None and tree.tables[at] else place
        way = f"read its labels with csv:{place}" if place else "put the images of each class into a folder of its own"
        said = f"expected folders of classes in {root}, found the splits {' and '.join(words)} with loose images"
        raise DataError(f"{said}; {way}")
    boxes = [name for name in nested if words[name] or name.lower() in ("dataset", "data", "images")]
    if boxes and len(words) > 1:
        others = [name for name in words if name not in boxes]
        said = f"expected one folder per class in {root}, found {boxes[0]}/, which holds folders, beside {others[0]}/"
        raise DataError(f"{said}; give folder:{root / boxes[0]}")


def _classes(
    tree: Tree, at: At, split: str, level: int, found: Layout, *, alone: bool, lax: bool
) -> dict[str, list[str]]:
    """Return class -> image files below the root."""
    root = tree.path(*at)
    names = tree.kept(at)
    loose = len(tree.images[at])
    if not names:
        if loose and split != "train":
            found.notes.append(f"{split} left out: {loose:,} images without class folders")
            return {}
        _refuse_flat(tree, at, loose)
    if loose:
        found.notes.append(f"{loose:,} images beside the class folders left out")
    empty = [name for name in tree.folders[at] if name not in names]
    if empty and split == "train" and not lax:
        if any(tree.left):
            raise DataError(f"expected images in {root / empty[0]}, found none ({tree.words()}); add some or remove the folder")
        raise DataError(f"expected images in {root / empty[0]}, found none; add some or remove the folder")
    if empty:
        found.notes.append(f"{split} has no images of {', '.join(empty[:3])}")
    if alone:
        several = len(names) > 2
        for name in [name for name in names if split_word(name) in ("test", "val", "none") and not tree.kept((*at, name))]:
            if several or split_word(name) == "none":
                found.notes.append(f"{name}/ left out: {len(tree.images[(*at, name)]):,} images without labels")
                names.remove(name)
    if level > 1:
        return _at_level(tree, at, level)
    deep = {name: tree.kept((*at, name)) for name in names}
    nested = [name for name in names if len(deep[name]) > 1 and not tree.images[(*at, name)]]
    if level == 0 and nested:
        photos = _photos(deep, names)
        if photos:
            found.notes.append(f"only {photos}/ of every class is read, its other folders hold masks or labels")
            return {name: _prefixed((*at, name, photos), tree) for name in names}
        _refuse_nested(root, names, nested, deep)
    if any(deep.values()):
        found.notes.append(f"images of {next(name for name in names if deep[name])!r} lie in folders below it")
    return {name: _prefixed((*at, name), tree) for name in names}


def _prefixed(at: At, tree: Tree) -> list[str]:
    return ["/".join((*at, name)) for name in tree.below(at)]


def _at_level(tree: Tree, at: At, level: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in tree.below(at):
        parts = path.split("/")
        if len(parts) <= level:
            raise DataError(f"expected classes {level} folders below {tree.path(*at)}, found {path} above them; move it")
        found.setdefault(parts[level - 1], []).append("/".join((*at, path)))
    return dict(sorted(found.items()))


def _photos(deep: dict[str, list[str]], names: Iterable[str]) -> str:
    """Return the folder of photos under every class where all others are called masks or the like."""
    first = deep[next(iter(names))]
    if any(deep[name] != first for name in names):
        return ""
    photos = [name for name in first if name.lower() in _PHOTOS]
    others = [name for name in first if name.lower() not in _PHOTOS]
    return photos[0] if len(photos) == 1 and all(re.sub(r"[^a-z]", "", name.lower()) in _MASKS for name in others) else ""


def _refuse_nested(root: object, names: list[str], nested: list[str], deep: dict[str, list[str]]) -> None:
    shared = set.intersection(*(set(deep[name]) for name in nested)) if len(nested) > 1 else set()
    common = sorted(shared)
    inner = sorted({name for one in nested for name in deep[one]})
    if len(common) > 1 or (common and len(nested) == len(names)):
        shown = ", ".join(common[:3])
        said = f"expected classes in {root}, found the same folders ({shown}) in {' and '.join(nested[:3])}"
        way = f"give one of them, as in folder:{root}/{nested[0]}, or choose: ?level=2 the inner folders, ?level=1 the outer"
        raise DataError(f"{said}; {way}")
    if len(nested) == len(names):
        said = f"expected one level of classes in {root}, found two: {', '.join(names[:3])}, and in them {', '.join(inner[:3])}"
        raise DataError(f"{said}; choose ?level=1 or ?level=2")


def _refuse_flat(tree: Tree, at: At, loose: int) -> None:
    root = tree.path(*at)
    if not loose:
        left = f" ({tree.words()})" if tree.left else ""
        said = f"expected images in {root}, found none in it or below it{left}"
        raise DataError(f"{said}; give the folder that holds one folder per class")
    tables = tree.tables[at]
    way = "move the images of each class into a folder with the name of the class"
    if tables:
        way = f"read labels from a table with csv:{root / tables[0]}"
    said = f"expected one folder per class in {root}, found {loose} images and no such folders"
    raise DataError(f"{said}; {way}, or give the names' "
                    "pattern, as in ?pattern={class}_*")  # fmt: skip


def _keep_ending(tree: Tree, ending: str, found: Layout) -> None:
    """Leave out masks that say so in their names, and other endings than the one asked for."""
    masks = 0
    for names in tree.images.values():
        stems = {name.rpartition(".")[0] for name in names}
        for name in list(names):
            match = _MASKED.match(name.rpartition(".")[0])
            if match and match[1] in stems:
                names.remove(name)
                masks += 1
            elif ending and not name.lower().endswith("." + ending.lower().lstrip(".")):
                names.remove(name)
    if masks:
        found.notes.append(f"{masks:,} masks left out, named after their photos")


def _pairs(tree: Tree, found: Layout) -> None:
    """Refuse folders in which many stems have two endings: the photo and something else."""
    for split in found.splits.values():
        for name, files in split.items():
            known: dict[str, str] = {}
            twice = []
            for file in files:
                stem, _, ending = file.rpartition(".")
                other = known.setdefault(stem, ending)
                if other != ending:
                    twice.append((stem, other, ending))
            if len(twice) * 10 > len(known):
                stem, one, other = twice[0]
                last = stem.rpartition("/")[2]
                pair = f"{last}.{one} and {last}.{other}"
                said = f"expected one image of each name in class {name!r} of {tree.root}, found {pair}"
                raise DataError(f"{said}; choose one ending, as in ?ending={one}, or rename")
