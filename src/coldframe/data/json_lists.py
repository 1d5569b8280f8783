"""``json:FILE``: COCO's annotations with one category an image, or the split files of few-shot studies (CoOp's).

COCO: ``images`` with ``id`` and ``file_name``, ``annotations`` with ``image_id`` and ``category_id``, ``categories`` with
``id`` and ``name``. Few-shot: ``{"train": [[path, label, class name], ...], "val": ..., "test": ...}``. Images are looked for
beside the file, in a folder there, or in ``?root=``.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from coldframe.data.base import Dataset, LoadOptions
from coldframe.data.choices import choices_of
from coldframe.data.folder import Files
from coldframe.data.lists import ImageFinder, _roots, once
from coldframe.data.rows import SPLIT_WORDS, Listing, dataset_of
from coldframe.errors import DataError, FileError
from coldframe.files import expanded
from coldframe.files.reading import read


class CocoImage(Struct):
    id: int | str
    file_name: str


class CocoAnnotation(Struct):
    image_id: int | str
    category_id: int


class CocoCategory(Struct):
    id: int
    name: str


class Coco(Struct):
    """What coldframe reads of COCO's annotations."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


Row = tuple[str, str | None, str | None, str]
"""Path, label, split, and what a person calls the row."""


def load(rest: str, options: LoadOptions) -> Dataset:
    """Load ``json:FILE``; see the module.

    Raises:
        DataError: the file is of neither kind, an image has several categories, or a file is missing.
    """
    place, choice = choices_of("json", rest, ["root"])
    path = expanded(place)
    if not path.is_file():
        raise DataError(f"expected a JSON file at {path}, found none; check the path")
    content = read(path, dict[str, object], remedy="give COCO's annotations or a split file", strict=False)
    rows, names = _coco(path) if {"images", "annotations"} <= content.keys() else _few_shot(path, content)
    root = choice.get("root")
    found = ImageFinder([expanded(root)] if root else _roots(path.parent))
    files: list[Path] = []
    kept: list[Row] = []
    missing = 0
    for row in rows:
        file = _one(path, row, found)
        if file is None and options.on_error == "raise":
            said = f"expected an image {row[0][:80]!r} of {row[3]} of {path}, found none"
            raise DataError(f"{said}; give its folder, as in json:{place}?root=FOLDER")
        if file is None:
            missing += 1
        else:
            files.append(file)
            kept.append(row)
    told = [row[2] or "" for row in kept] if any(row[2] for row in kept) else None
    alone, repeated = once(lambda n: f"{kept[n][3]} of {path}", files, [row[1] or "" for row in kept], told)
    files, kept = [files[n] for n in alone], [kept[n] for n in alone]
    notes = [f"{missing:,} rows left out whose images are missing"] if missing else []
    notes += [f"{repeated:,} rows left out that repeat a row"] if repeated else []
    splits = None if told is None else [told[n] for n in alone]
    images = Files(tuple(files))
    listing = Listing(
        f"json:{rest}", images, [row[1] or "" for row in kept], splits, names=names,
        place=lambda n: f"{kept[n][3]} of {path}", notes=notes, labels_in=f"the labels of {path}",
    )  # fmt: skip
    return dataset_of(listing, options)


def _one(path: Path, row: Row, found: ImageFinder) -> Path | None:
    hits = {file.resolve(): file for root in found.roots if (file := found.within(root, row[0])) is not None}
    if len(hits) > 1:
        shown = " and ".join(str(file) for file in list(hits.values())[:2])
        raise DataError(f"expected one image {row[0]!r} of {path}, found {shown}; choose, as in ?root=FOLDER")
    return next(iter(hits.values()), None)


def _coco(path: Path) -> tuple[list[Row], list[str]]:
    found = read(path, Coco, remedy="give COCO's annotations", strict=False)
    names = {category.id: category.name for category in found.categories}
    label: dict[int | str, int] = {}
    for annotation in found.annotations:
        if annotation.category_id not in names:
            raise DataError(f"expected a category of {path} in image {annotation.image_id}, found {annotation.category_id}")
        first = label.setdefault(annotation.image_id, annotation.category_id)
        if first != annotation.category_id:
            said = f"expected one category in image {annotation.image_id} of {path}, found {names[first]!r} and "
            raise DataError(f"{said}{names[annotation.category_id]!r}; detection is not read: coldframe sorts whole images")
    rows: list[Row] = []
    for image in found.images:
        if image.id not in label:
            raise DataError(f"expected a category for image {image.file_name!r} of {path}, found none; annotate or remove it")
        rows.append((image.file_name, names[label[image.id]], None, f"image {image.id}"))
    return rows, [names[key] for key in sorted(names)]


def _few_shot(path: Path, content: dict[str, object]) -> tuple[list[Row], list[str]]:
    from coldframe.files.reading import typed

    if not content or not content.keys() <= SPLIT_WORDS.keys():
        shown = ", ".join(list(content)[:8]) or "no keys"
        raise DataError(f"expected images and annotations (COCO), or train, val and test in {path}, found {shown}")
    remedy = "write [path, label, class name]"
    try:
        parts = typed(content, dict[str, list[tuple[str, int, str]]], str(path), remedy=remedy)
    except FileError as error:
        raise DataError(str(error)) from error
    names: dict[int, str] = {}
    rows: list[Row] = []
    for split, entries in parts.items():
        for number, (image, label, name) in enumerate(entries):
            if names.setdefault(label, name) != name:
                raise DataError(f"expected one name for label {label} in {path}, found {names[label]!r} and {name!r}")
            rows.append((image, name, split, f"{split}, entry {number}"))
    return rows, [names[label] for label in sorted(names)]
