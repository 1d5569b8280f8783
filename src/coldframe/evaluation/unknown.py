"""Images of none of the classes: are they told from those of the classes?"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import Dataset, Split
from coldframe.data.folder import Files
from coldframe.data.joined import Joined
from coldframe.data.places import find_files, readable
from coldframe.files import expanded
from coldframe.measures import unknown as measures
from coldframe.measures.significance import Interval
from coldframe.methods import templates
from coldframe.methods.base import Method
from coldframe.types import FEATURES, Row

BUNDLED = ("mini:cifar10", "mini:caltech7", "mini:mnist")
"""What stands for unknown images where none are named: the first of these that shares no class with the data."""
AUTO, NONE = "bundled", "none"
MOST_BUNDLED, MOST_GIVEN = 100, 1_000
MOST_KNOWN, MOST_TRAIN, MOST_SCALE = 2_000, 10_000, 500
"""Test and training images that are compared with them, at most, evenly over classes; ViM's scale takes fewer of train."""


@dataclass(frozen=True, eq=False)
class Unknown:
    """Images of none of the classes.

    Args:
        spec: where they come from.
        split: the images; their labels mean nothing.
        shared: class names that the data has too, so that some of the images may not be unknown.
    """

    spec: str
    split: Split
    shared: tuple[str, ...] = ()

    def doubts(self) -> list[str]:
        """Return why some of them may be known, as notes."""
        if not self.shared:
            return []
        names = ", ".join(self.shared[:5]) + (" and others" if len(self.shared) > 5 else "")
        return [f"{self.spec} has classes of the same names ({names}): some of its images may not be unknown"]


def unknown_images(spec: str, data: Dataset, *, download: bool = False) -> Unknown | None:
    """Return the images that a text stands for: a folder of any images, a data set, the bundled ones; None for ``"none"``."""
    if spec == NONE:
        return None
    mine = {_folded(name) for name in data.classes}
    if spec == AUTO:
        found = [load_dataset(name) for name in BUNDLED if name.split("?")[0] not in data.spec]
        other = next((each for each in found if not mine & {_folded(name) for name in each.classes}), None)
        return None if other is None else Unknown(other.spec, _others(other.test, MOST_BUNDLED, data.classes))
    place = spec.removeprefix("folder:")
    if expanded(place).is_dir():
        files, _ = readable(find_files([place], most=100 * MOST_GIVEN), "raise")
        held = Split("unknown", Files(tuple(files)), np.zeros(len(files), dtype=np.int64), data.classes)
        rows = np.linspace(0, len(files) - 1, min(MOST_GIVEN, len(files))).astype(int)
        return Unknown(spec, held.subset(rows))
    loaded = load_dataset(spec, download=download)
    parts = [loaded.train, loaded.val, loaded.test]
    labels = np.concatenate([part.labels for part in parts])
    whole = Split("unknown", Joined([part.images for part in parts]), labels, loaded.classes)
    shared = tuple(name for name in loaded.classes if _folded(name) in mine)
    return Unknown(spec, _others(whole, MOST_GIVEN, data.classes), shared)


@dataclass(eq=False)
class Strangers:
    """What is the same for every method on one model and data set: features, and the scores that follow from them alone.

    Args:
        backbone: the frozen model.
        data: its splits.
        unknown: images of none of the classes.
        cold: the store.
    """

    backbone: Backbone
    data: Dataset
    unknown: Unknown
    cold: ColdPass
    _alone: dict[str, Interval] = field(default_factory=dict)

    def __post_init__(self) -> None:
        train = some(self.data.train, MOST_TRAIN)
        self.scale, self.rows = evenly(train.labels, MOST_SCALE), evenly(self.data.test.labels, MOST_KNOWN)
        self.train, test = train.subset(self.scale), self.data.test.subset(self.rows)
        held, self.known, self.strange = (self._features(each) for each in (train, test, self.unknown.split))
        self.held = measures.Features(held, train.labels)
        self._alone = {
            "knn_auroc": measures.auroc(self.held.nearest(self.known), self.held.nearest(self.strange)),
            "mahalanobis_auroc": measures.auroc(self.held.mahalanobis(self.known), self.held.mahalanobis(self.strange)),
        }
        if templates.known(self.backbone, self.data.classes):
            texts = templates.class_embeddings(self.backbone, self.data.classes, templates.PHOTO).double().cpu().numpy()
            sides = (measures.mcm(_unit(each) @ _unit(texts).T) for each in (self.known, self.strange))
            self._alone["mcm_auroc"] = measures.auroc(*sides)

    def row(self, method: Method, logits: Tensor) -> Row:
        """Return the AUROC of each score, with their intervals under ``intervals``; that of ViM only for logits above 0.

        Args:
            method: fitted.
            logits: of all test images [N, K].
        """
        known = logits[torch.from_numpy(self.rows)]
        train, strange = (method.logits(each, cold=self.cold) for each in (self.train, self.unknown.split))
        scores = {
            "max_logit_auroc": (measures.max_logit(known), measures.max_logit(strange)),
            "energy_auroc": (measures.energy(known), measures.energy(strange)),
        }
        if float(measures.max_logit(train).mean()) > 0:  # logarithms of votes lie below 0, and ViM's scale would turn its sign
            near = self.held.vim(train, self.known, known, rows=self.scale)
            scores["vim_auroc"] = near, self.held.vim(train, self.strange, strange, rows=self.scale)
        found = {name: measures.auroc(*pair) for name, pair in scores.items()} | self._alone
        told = f"{len(self.unknown.split):,} images of {self.unknown.spec}"
        ends = {name: [each.low, each.high] for name, each in found.items()}
        return {name: each.mean for name, each in found.items()} | {"unknown": told, "intervals": ends}

    def _features(self, split: Split) -> NDArray[np.float64]:
        rows = torch.arange(len(split))
        return self.cold.activations(self.backbone, split, FEATURES).gather(rows).double().cpu().numpy()


def some(split: Split, most: int) -> Split:
    """Return at most so many images, evenly over the classes; always the same ones."""
    return split if len(split) <= most else split.subset(evenly(split.labels, most))


def evenly(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the rows of at most so many images, evenly over the classes, in order."""
    order = np.argsort(labels, kind="stable")
    return np.sort(order[np.linspace(0, len(labels) - 1, min(most, len(labels))).astype(int)])


def _others(split: Split, most: int, classes: tuple[str, ...]) -> Split:
    """Return some images under other classes, with labels that mean nothing."""
    held = some(split, most)
    return Split("unknown", held.images, np.zeros(len(held), dtype=np.int64), classes)


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
