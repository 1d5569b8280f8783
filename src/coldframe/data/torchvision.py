"""``torchvision:NAME``: a data set of torchvision, looked for on this machine and downloaded only on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coldframe.data.arrays import Arrays
from coldframe.data.base import Dataset, Images, LoadOptions, Split
from coldframe.data.folder import Files
from coldframe.data.splits import assemble
from coldframe.errors import DataError, InputError, nearest
from coldframe.files import cache_root, data_root

_FLAG = {"train": {"train": True}, "test": {"train": False}}
_TWO = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE = {**_TWO, "val": {"split": "val"}}
_WHOLE: dict[str, dict[str, Any]] = {"train": {}}

NAMES: dict[str, dict[str, dict[str, Any]]] = {
    "CIFAR10": _FLAG,
    "CIFAR100": _FLAG,
    "Country211": {**_TWO, "val": {"split": "valid"}},
    "DTD": _THREE,
    "EuroSAT": _WHOLE,
    "FGVCAircraft": _THREE,
    "FashionMNIST": _FLAG,
    "Flowers102": _THREE,
    "Food101": _TWO,
    "GTSRB": _TWO,
    "Imagenette": {"train": {"split": "train"}, "val": {"split": "val"}},
    "KMNIST": _FLAG,
    "MNIST": _FLAG,
    "OxfordIIITPet": {"train": {"split": "trainval"}, "test": {"split": "test"}},
    "RenderedSST2": _THREE,
    "STL10": _TWO,
    "SUN397": _WHOLE,
    "SVHN": _TWO,
    "StanfordCars": _TWO,
    "USPS": _FLAG,
}
"""Name in torchvision -> split -> the arguments that select it. Data sets that have no splits are all train."""


def canonical(name: str) -> str:
    """Return the name as torchvision writes it; capitals do not matter.

    Raises:
        InputError: torchvision has no such classification data set.

    Example:
        >>> canonical("cifar10")
        'CIFAR10'
    """
    known = {each.lower(): each for each in NAMES}
    if name.lower() not in known:
        raise InputError(f"unknown torchvision data set {name!r}{nearest(name, NAMES)}")
    return known[name.lower()]


@dataclass(frozen=True)
class _NotHere(Exception):
    reason: str


def load(name: str, options: LoadOptions) -> Dataset:
    """Load a data set of torchvision from the data folder or the cache, or download it to the cache.

    Raises:
        InputError: torchvision has no such classification data set.
        DataError: it is not on this machine and ``options.download`` is false, or the download failed.
    """
    name = canonical(name)
    cache = cache_root() / "torchvision"
    roots = [root for root in (data_root(), cache) if root is not None]
    for root in roots:
        try:
            splits = _splits(name, root, download=False)
        except _NotHere:
            continue
        return assemble(f"torchvision:{name}", splits["train"], splits.get("val"), splits.get("test"), options)
    if not options.download:
        looked = " and ".join(str(root) for root in roots)
        raise DataError(
            f"expected the torchvision data set {name} on this machine, found none in {looked}; put it there, "
            "or fetch it with --download (download=True in Python)"
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        splits = _splits(name, cache, download=True)
    except (_NotHere, OSError) as error:
        reason = error.reason if isinstance(error, _NotHere) else str(error)
        raise DataError(f"cannot download the torchvision data set {name} to {cache}: {reason}") from error
    return assemble(f"torchvision:{name}", splits["train"], splits.get("val"), splits.get("test"), options)


def _splits(name: str, root: Path, *, download: bool) -> dict[str, Split]:
    from torchvision import datasets

    found: dict[str, Split] = {}
    for split, arguments in NAMES[name].items():
        try:
            source = getattr(datasets, name)(str(root), download=download, **arguments)
        except (RuntimeError, OSError) as error:
            raise _NotHere(" ".join(str(error).split())) from error
        labels = np.asarray(_labels(source), dtype=np.int64)
        classes = getattr(source, "classes", None) or [str(label) for label in range(int(labels.max()) + 1)]
        found[split] = Split(split, _images(source, f"{name} {split}"), labels, tuple(str(title) for title in classes))
    return found


def _labels(source: Any) -> Any:
    for attribute in ("targets", "labels", "_labels"):
        if hasattr(source, attribute):
            return getattr(source, attribute)
    return [label for _, label in source._samples]


def _images(source: Any, title: str) -> Images:
    """Return the files themselves where torchvision lists them, so that their bytes are decoded in one place only."""
    if hasattr(source, "data"):
        return Arrays(np.asarray(source.data), title)
    for attribute in ("_image_files", "_images"):
        if hasattr(source, attribute):
            return Files(Path(path) for path in getattr(source, attribute))
    samples = source.samples if hasattr(source, "samples") else source._samples
    return Files(Path(path) for path, _ in samples)
