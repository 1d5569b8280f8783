"""``npz:FILE`` and ``npy:PLACE``: arrays of images and labels, as MedMNIST, Keras and scikit-learn's users store them.

``npz:`` looks for ``train_images`` with ``train_labels`` (and ``val_``, ``test_``), ``x_train`` with ``y_train``, or one pair
such as ``X`` with ``y``. ``npy:`` reads the same names as files of one folder, or ``npy:X.npy?labels=y.npy``. Nothing is
unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.data.arrays import Arrays
from coldframe.data.base import Dataset, LoadOptions
from coldframe.data.choices import choices_of
from coldframe.data.joined import Joined
from coldframe.data.rows import Listing, dataset_of
from coldframe.errors import DataError, FileError, nearest
from coldframe.files import expanded, explained, opened, regular

MOST_BYTES = 2**36
"""Most bytes of the arrays of one file."""
_IMAGES = ("images", "image", "x", "data", "imgs", "arr_0")
_LABELS = ("labels", "label", "y", "target", "targets", "arr_1")
_NAMES = ("classes", "class_names", "label_names", "names")
_WORDS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}
Reader = Callable[[], NDArray[Any]]


def load_npz(rest: str, options: LoadOptions) -> Dataset:
    """Load ``npz:FILE``.

    Raises:
        DataError: the file is missing, damaged, or its arrays are no pairs of images and labels.
    """
    place, choice = choices_of("npz", rest, ["images", "labels"])
    path = expanded(place)
    with explained(path, "read"), opened(path, MOST_BYTES) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > MOST_BYTES:
                raise FileError(f"refused to read {path}: expected at most {MOST_BYTES:,} bytes of arrays, found {size:,}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                arrays = {key: np.asarray(found[key]) for key in found.files}
        except (zipfile.BadZipFile, ValueError, EOFError, KeyError, NotImplementedError) as error:
            raise _damaged(path, "npz", error) from error
    readers: dict[str, Reader] = {key: partial(np.asarray, value) for key, value in arrays.items()}
    return _dataset(f"npz:{rest}", readers, choice, options)


def load_npy(rest: str, options: LoadOptions) -> Dataset:
    """Load ``npy:FOLDER`` or ``npy:FILE``; see the module. Images are mapped, not read into memory."""
    place, choice = choices_of("npy", rest, ["images", "labels"])
    path = expanded(place)
    if not path.exists():
        raise DataError(f"expected npy files at {path}, found nothing there; check the path")
    folder = path if path.is_dir() else path.parent
    with explained(folder, "read"):
        files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix == ".npy"}
    if path.is_file():
        choice.setdefault("images", path.stem)
        if path.suffix != ".npy":
            raise DataError(f"expected a file that ends in .npy, found {path}; use npz: for archives of arrays")
    choice = {key: Path(value).stem if value.endswith(".npy") else value for key, value in choice.items()}
    readers: dict[str, Reader] = {stem: partial(_mapped, file) for stem, file in files.items()}
    return _dataset(f"npy:{rest}", readers, choice, options)


def _mapped(path: Path) -> NDArray[Any]:
    with explained(path, "read"):
        regular(path, MOST_BYTES)
        try:
            found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise _damaged(path, "npy", error) from error
    return found


def _damaged(path: Path, kind: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:120]
    return DataError(f"cannot read {path}: expected a sound {kind} file without pickled objects, found another ({reason})")


def _dataset(spec: str, readers: Mapping[str, Reader], choice: Mapping[str, str], options: LoadOptions) -> Dataset:
    pairs = _pairs(spec, readers, choice)
    parts, labels, splits = [], [], []
    for split, (images, named) in pairs.items():
        values = _pixels(readers[images](), f"{images} of {spec}")
        part = Arrays(values, f"{spec}, {images}")
        answers = _answers(readers[named](), f"{named} of {spec}")
        if len(answers) != len(part):
            said = f"expected one label per image in {spec}"
            raise DataError(f"{said}, found {len(part):,} in {images}, {len(answers):,} in {named}")
        parts.append(part)
        labels += answers
        splits += [split] * len(answers)
    names = next((readers[key]() for key in readers if key.lower() in _NAMES), None)
    texts = None if names is None else [str(name) for name in names.tolist()]
    if texts is not None and all(label.isdigit() for label in labels):
        labels = [texts[int(label)] if int(label) < len(texts) else label for label in labels]
    joined = Joined(parts)
    labels_in = f"{' and '.join(dict.fromkeys(named for _, named in pairs.values()))} of {spec}"
    return dataset_of(Listing(spec, joined, labels, splits, names=texts, place=joined.name, labels_in=labels_in), options)


def _pairs(spec: str, readers: Mapping[str, Reader], choice: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return split -> (name of the images, name of the labels)."""
    for what, name in choice.items():
        if name not in readers:
            raise DataError(f"expected {what} under the name {name!r} in {spec}, found none{nearest(name, readers)}")
    lower: dict[str, list[str]] = {}
    for key in readers:
        lower.setdefault(key.lower(), []).append(key)

    def one(split: str, words: tuple[str, ...]) -> str | None:
        marks = _WORDS[split] if split else ("",)
        spellings = {f"{a}_{b}" if mark else word for mark in marks for word in words for a, b in ((mark, word), (word, mark))}
        found = [key for spelling in sorted(spellings) for key in lower.get(spelling, ())]
        if len(found) > 1:
            said = f"expected one array for {words[0]} in {spec}, found {' and '.join(found)}"
            raise DataError(f"{said}; choose, as in ?{words[0]}={found[0]}")
        return found[0] if found else None

    if not choice:
        found = {split: (one(split, _IMAGES), one(split, _LABELS)) for split in _WORDS}
        pairs = {split: (x, y) for split, (x, y) in found.items() if x and y}
        if pairs:
            return pairs
    images = choice.get("images") or one("", _IMAGES)
    named = choice.get("labels") or one("", _LABELS)
    if images is None or named is None:
        ways = "train_images and train_labels, x_train and y_train, or X and y"
        listed = ", ".join(list(readers)[:12]) or "no arrays"
        raise DataError(f"expected {ways} in {spec}, found {listed}; choose, as in ?images=NAME&labels=NAME")
    return {"train": (images, named)}


def _pixels(values: NDArray[Any], what: str) -> NDArray[Any]:
    """Return whole numbers from 0 to 255 as uint8, whatever type they are stored in; others as they are."""
    if np.issubdtype(values.dtype, np.integer) and values.dtype != np.uint8 and values.size:
        least, most = int(values.min()), int(values.max())
        if not (least >= 0 and most <= 255):
            raise DataError(f"expected values from 0 to 255 in {what}, found {least} to {most}; scale them to 8 bits")
        return values.astype(np.uint8)
    return values


def _answers(values: NDArray[Any], what: str) -> list[str]:
    """Return labels as texts; a column [N, 1] is one label per row, a matrix of one 1 a row names the column."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        if not ((values == 0) | (values == 1)).all() or not (values.sum(1) == 1).all():
            raise DataError(f"expected one label per row in {what}, found {list(values.shape)} with several; choose one target")
        values = values.argmax(1)
    if values.ndim != 1:
        raise DataError(f"expected one label per row in {what}, found the shape {list(values.shape)}")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        raise DataError(f"expected classes in {what}, found numbers with fractions; coldframe sorts into classes")
    if values.dtype.kind not in "iufbUS":
        raise DataError(f"expected whole numbers or texts in {what}, found {values.dtype}")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "backslashreplace")
    return [str(int(value)) if values.dtype.kind in "iufb" else str(value) for value in values.tolist()]
