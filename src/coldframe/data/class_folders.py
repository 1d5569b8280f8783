"""``folder:PATH``: one folder per class, with or without train/, val/ and test/ above the classes.

Folders of splits are known however they are spelt, where they hold folders; one that holds images is a class of that name.
With train and test, validation images are drawn from train. With train and val alone, val is read as the test split. Without
splits, a fifth of each class becomes the test split (see :mod:`coldframe.data.splits`). ``metadata.csv``, ``.jsonl`` or
``.parquet`` beside the images names their labels, as the Hub's imagefolder does. Choices: ``?pattern={class}_*`` reads
classes from the names of files, ``?group={group}_*`` keeps what belongs together in one split, ``?level=2`` says which
folders are classes, ``?ending=jpg``, ``?label=`` a column of the metadata or ``folders``, ``?links=all``. With
``?targets=several`` a picture that lies in the folders of several classes has all of these labels; Roboflow's ``_classes.csv``
is read as metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from coldframe.data.base import Dataset, LoadOptions, Split
from coldframe.data.choices import choices_of
from coldframe.data.folder import Files, digest_file
from coldframe.data.layout import layout_of, split_word
from coldframe.data.lists import ImageFinder, listing, read_table
from coldframe.data.other_tasks import refuse_other_tasks
from coldframe.data.patterns import matched
from coldframe.data.rows import Listing, dataset_of
from coldframe.data.splits import assemble
from coldframe.data.tables import LABELS, one_hot
from coldframe.data.targets import matrix, of_several
from coldframe.data.tree import Tree, scan
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import expanded, explained

CHOICES = ("pattern", "group", "level", "ending", "label", "links", "separator")
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "_classes.csv")
"""Tables beside the images; the last is Roboflow's of several labels per image."""
IMAGE_COLUMNS = ("file_name", "filename")


def load(rest: str, options: LoadOptions) -> Dataset:
    """Load the data set in a folder. See the module's text for the layouts.

    Raises:
        DataError: the folder is missing, has no classes, has a class without images, too few images in a class, or could be
            read in two ways.
    """
    place, choice = choices_of("folder", rest, CHOICES)
    root, spec = expanded(place), f"folder:{rest}"
    if not root.is_dir():
        raise DataError(_missing(root))
    if choice.get("level", "1") not in ("1", "2", "3", "4") or choice.get("links", "all") != "all":
        raise InputError(f"expected level=1 to 4 and links=all in {spec}, found others")
    tree = scan(root, links="links" in choice)
    if "pattern" in choice:
        return _by_pattern(spec, tree, choice, options)
    if choice.get("label") != "folders" and (found := _metadata(spec, tree, choice, options)) is not None:
        return found
    refuse_other_tasks(tree)
    layout = layout_of(tree, level=int(choice.get("level", 0)), ending=choice.get("ending", ""), whole=options.whole)
    classes = tuple(layout.splits["train"]) if not options.whole else tuple(sorted(set().union(*layout.splits.values())))
    splits = {}
    if options.targets == "several":
        layout.notes.append("several labels per image: a picture that lies in several folders has the labels of all")
    for name, held in layout.splits.items():
        alien = next((found for found in held if found not in classes), None)
        if alien is not None:
            said = f"expected the classes of train in {name} of {root}, found {alien!r} beside them"
            raise DataError(f"{said}{nearest(alien, classes)}")
        if options.targets == "several":
            splits[name] = _merged(root, name, held, classes)
            continue
        paths = [path for files in held.values() for path in files]
        labels = [classes.index(one) for one, files in held.items() for _ in files]
        groups = None if "group" not in choice else tuple(matched(choice["group"], "group", paths, spec))
        images = Files(root / path for path in paths)
        splits[name] = Split(name, images, np.asarray(labels, dtype=np.int64), classes, groups)
    labels_in = f"the folders of {root}, one per class"
    first = splits.pop("train" if "train" in splits else next(iter(splits)))
    data = assemble(spec, first, splits.get("val"), splits.get("test"), options, labels_in)
    return replace(data, origin="; ".join(filter(None, (*layout.notes, tree.words(), *_unread(tree), data.origin))))


def _merged(root: Path, split: str, held: Mapping[str, Sequence[str]], classes: tuple[str, ...]) -> Split:
    """Return the pictures of a split, each once, with the labels of all folders that it lies in under one name.

    Raises:
        DataError: two pictures of one name.
    """
    tags: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for name, files in held.items():
        for path in files:
            key = path.rpartition(f"{name}/")[2]
            known = first.setdefault(key, path)
            if known != path and digest_file(root / known) != digest_file(root / path):
                said = f"expected one picture of the name {key} in the folders of its labels, found {known} and {path}"
                raise DataError(f"{said}, which differ; rename one")
            tags.setdefault(key, []).append(name)
    images = Files(root / path for path in first.values())
    return of_several(split, images, matrix(list(tags.values()), classes), classes)


def _unread(tree: Tree) -> list[str]:
    """Return the label files that lie there and were not asked."""
    names = [name for at in tree.tables if len(at) <= 1 for name in tree.tables[at]]
    known = [name for name in names if name.lower().split(".")[0] in ("metadata", "labels", "label", "annotations", "_classes")]
    return [f"{known[0]} not read: classes are folders"] if known else []


def _missing(root: Path) -> str:
    if root.exists():
        return f"expected a folder of images at {root}, found a file; give the folder that holds one folder per class"
    siblings: list[str] = []
    if root.parent.is_dir():
        with explained(root.parent, "read"):
            siblings = [place.name for place in root.parent.iterdir() if place.is_dir()]
    hint = nearest(root.name, siblings)
    return f"expected a folder of images at {root}, found nothing there{hint if 'did you mean' in hint else '; check the path'}"


def _top_split(path: str) -> str:
    parts = path.split("/")[:-1]
    return next((word for word in map(split_word, parts) if word in ("train", "val", "test")), "")


def _by_pattern(spec: str, tree: Tree, choice: Mapping[str, str], options: LoadOptions) -> Dataset:
    paths = tree.below(())
    matched(choice["pattern"], "class", [], spec)
    if not paths:
        raise DataError(f"expected images in {tree.root}, found none in it or below it; check the path")
    labels = matched(choice["pattern"], "class", paths, spec)
    groups = matched(choice["group"], "group", paths, spec) if "group" in choice else None
    splits = [_top_split(path) for path in paths]
    if any(splits) and not all(splits):
        odd = paths[splits.index("")]
        raise DataError(f"expected every image of {spec} in a folder of a split, found {odd} outside; move it")
    files = Files(tree.root / path for path in paths)
    notes = [f"classes from names: {choice['pattern']}", tree.words()]
    told = splits if any(splits) else None
    labels_in, known = f"the names below {tree.root} by the pattern {choice['pattern']}", [note for note in notes if note]
    rows = Listing(spec, files, labels, told, groups, place=files.name, notes=known, labels_in=labels_in)
    return dataset_of(rows, options)


def _metadata(spec: str, tree: Tree, choice: Mapping[str, str], options: LoadOptions) -> Dataset | None:
    """Return the data set that metadata beside the images describes; None where there is none, or none with labels."""
    places = [(at, name) for at in sorted(tree.tables) for name in METADATA if name in tree.tables[at] and len(at) <= 2]
    parts: list[Listing] = []
    splits: list[str] = []
    for at, name in places:
        folder = tree.path(*at)
        found = ImageFinder([folder])
        table = read_table(folder / name, found)
        image = next((column for column in IMAGE_COLUMNS if column in table.head), "")
        wanted = choice.get("label")
        named = [column for column in table.head if column.lower() in LABELS]
        flags = wanted is None and bool(image) and bool(one_hot(table, [image])[0])
        if not image or (wanted is None and not named and not flags and len(table.head) != 2):
            if wanted is not None:
                raise DataError(f"expected a column file_name in {folder / name}, found {', '.join(table.head)}")
            return None
        other = next((column for column in table.head if column != image), image)
        if wanted is None and not named and not flags and len(set(table.column(other))) > len(table.rows) / 2:
            return None  # captions
        chosen = {"image": image} | {key: choice[key] for key in ("label", "group", "separator") if key in choice}
        part = listing(spec, table, chosen, found, options)
        inside = [str(Path(part.images.name(n)).relative_to(tree.root).as_posix()) for n in range(len(part.images))]
        told = list(part.splits) if part.splits is not None else [_top_split(path) for path in inside]
        if part.tags is None:
            _agree(spec, folder / name, inside, part.labels, wanted)
        parts.append(part)
        splits += told
    if not parts:
        return None
    listed = sum(len(part.images) for part in parts)
    every = len(tree.below(()))
    notes = [f"labels from {' and '.join('/'.join((*at, name)) for at, name in places)}"]
    if every > listed:
        notes.append(f"{every - listed:,} images without a row left out")
    if any(splits) and not all(splits):
        raise DataError(f"expected metadata of every split of {spec}, found images of none; name a column split")
    from coldframe.data.joined import Joined

    images = Joined([part.images for part in parts])
    labels = [label for part in parts for label in part.labels]
    grouped = [part.groups for part in parts]
    groups = [g for part in grouped for g in part or ()] if all(part is not None for part in grouped) else None
    rows = Listing(spec, images, labels, splits if any(splits) else None, groups, place=images.name, notes=notes)
    if any(part.tags is not None for part in parts):
        rows.tags = [tags for part in parts for tags in (part.tags or [(label,) for label in part.labels])]
        notes.append(next(note for part in parts for note in part.notes if note.startswith("several labels per image")))
        rows.names = parts[0].names if all(part.names == parts[0].names for part in parts) else None
    rows.labels_in = " and ".join(dict.fromkeys(part.labels_in for part in parts))
    return dataset_of(rows, options)


def _agree(spec: str, path: Path, inside: list[str], labels: object, wanted: str | None) -> None:
    """Refuse metadata that says other classes than the folders of the images do."""
    from coldframe.data.tables import one_to_one

    folders = ["/".join(part for part in path.split("/")[:-1] if not split_word(part)) for path in inside]
    texts = [str(label) for label in labels] if isinstance(labels, list) else []
    if wanted is None and len(set(folders)) > 1 and not one_to_one(folders, texts):
        said = f"expected one meaning of the classes of {spec}, found folders and other labels in {path.name}"
        raise DataError(f"{said}; choose ?label=folders or the column, as in ?label=label")
