"""Answers to images with several labels each: their measures with intervals, and a file of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldframe import files
from coldframe.data.base import Split
from coldframe.evaluation.predictions import relative
from coldframe.measures import tags as measure
from coldframe.types import Row


def tag_row(probabilities: NDArray[np.float32], thresholds: list[float], split: Split) -> Row:
    """Return mAP with its interval over images, and F1 at thresholds that were chosen on validation images.

    Args:
        probabilities: of each label by itself [N, K].
        thresholds: from which a label is given [K].
        split: with ``tags``.
    """
    assert split.tags is not None
    micro, macro = measure.f1(probabilities >= np.asarray(thresholds), split.tags)
    found: Row = {"map": measure.mean_average_precision(probabilities, split.tags), "micro_f1": micro, "macro_f1": macro}
    if found["map"] is not None:
        found["intervals"] = {"map": list(measure.map_interval(probabilities, split.tags))}
    return found


def tags_csv(split: Split, probabilities: NDArray[np.float32], thresholds: list[float], spec: str) -> str:
    """Return a line per image: path, its labels, the labels that were given, then the probability of every label."""
    assert split.tags is not None
    given = probabilities >= np.asarray(thresholds)
    lines: list[tuple[object, ...]] = [("path", "true", "predicted", *split.classes)]
    for row in range(len(split)):
        truth, answer = (_named(split.classes, held[row]) for held in (split.tags, given))
        numbers = (f"{value:.6f}" for value in probabilities[row])
        lines.append((relative(split.images.name(row), spec), truth, answer, *numbers))
    return files.as_csv(lines)


def _named(classes: tuple[str, ...], flags: NDArray[np.bool_]) -> str:
    return "|".join(name for name, flag in zip(classes, flags, strict=True) if flag)
