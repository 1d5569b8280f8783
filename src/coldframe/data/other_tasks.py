"""Data of other tasks, refused by name: detection, segmentation, whole-slide images. coldframe sorts whole pictures."""

from __future__ import annotations

from coldframe.data.layout import split_word
from coldframe.data.tree import SLIDES, Tree
from coldframe.errors import DataError

At = tuple[str, ...]
_PHOTOS = frozenset(["images", "image", "imgs", "img", "photos", "jpegimages"])
_MASKS = frozenset(
    ["masks", "mask", "segmentations", "segmentation", "segmentationclass", "segmentationobject", "labels", "gt"]
)
_BOXES = frozenset(["labels", "annotations", "annotation"])


def refuse_other_tasks(tree: Tree) -> None:
    """Refuse folders that hold boxes, masks or slides beside photos, or in place of them.

    Raises:
        DataError: the sentence names the task, the folders, and what to do.
    """
    for at, names in tree.folders.items():
        if at and not split_word(at[-1]):
            continue  # photos and masks of one class, of which layout_of reads the photos
        photos = next((name for name in names if name.lower() in _PHOTOS), None)
        if photos is None:
            continue
        for name in names:
            where = f"{tree.path(*at) / photos} and {name}/"
            if name.lower() in _BOXES and not tree.holds((*at, name)) and _boxes(tree, (*at, name)):
                raise DataError(
                    f"expected pictures with one label each, found boxes beside them ({where}): detection is not read; "
                    "put the pictures of each class into a folder, or crop them to their boxes"
                )
            if name.lower() in _MASKS and _stems(tree, (*at, photos)) & _stems(tree, (*at, name)):
                raise DataError(
                    f"expected pictures with one label each, found their masks beside them ({where}): segmentation is not "
                    "read; put the pictures of each class into a folder"
                )
    slides = sum(count for why, count in tree.left.items() if why.partition(" ")[0] in SLIDES)
    if slides and not any(tree.images.values()):
        raise DataError(
            f"expected pictures in {tree.root}, found {slides:,} whole-slide images, which are not read; cut them into tiles "
            "(OpenSlide does) and keep the tiles of a slide together with ?group="
        )


def _stems(tree: Tree, at: At) -> set[str]:
    return {path.rpartition(".")[0] for path in tree.below(at)}


def _boxes(tree: Tree, at: At) -> bool:
    """Return whether a folder without pictures holds a text or XML file for each of several."""
    return any(
        sum(name.lower().endswith((".txt", ".xml")) for name in names) > 1
        for folder, names in tree.tables.items() if folder[: len(at)] == at
    )  # fmt: skip
