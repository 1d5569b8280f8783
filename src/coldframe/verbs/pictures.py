"""Pictures beside numbers: the hardest test images, and what pixel prompts look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from coldframe.data.base import Dataset, Split
from coldframe.data.decode import load_pixels
from coldframe.evaluation.predictions import relative
from coldframe.methods import Method
from coldframe.report.figures.prompts import prompt_pictures
from coldframe.report.figures.thumbnail import thumbnail
from coldframe.results.parts import HardImage, Picture
from coldframe.results.wording import spoken

Values = NDArray[np.float32]


def hardest(probabilities: Sequence[Values], test: Split, spec: str = "", most: int = 12) -> list[HardImage]:
    """Return the test images that are wrong with the highest mean probability over seeds.

    Args:
        probabilities: of one method, one [N, K] a seed.
        test: the N images.
        spec: the data's, for paths below its folder.
        most: how many at most.
    """
    mean = np.mean(probabilities, axis=0)  # [N, K]
    taken = mean.argmax(1)
    wrong = np.flatnonzero(taken != test.labels)
    chosen = wrong[np.argsort(-mean[wrong, taken[wrong]], kind="stable")][:most]
    return [
        HardImage(
            thumbnail(test.images.open(int(row))),
            test.classes[test.labels[row]],
            test.classes[taken[row]],
            float(mean[row, taken[row]]),
            relative(test.images.name(int(row)), spec),
        )
        for row in chosen
    ]


def wrong(probabilities: Sequence[Values], test: Split, spec: str, each: int = 12, most: int = 240) -> list[HardImage]:
    """Return the test images of every class that are wrong in the mean over seeds, the surest first, as small JPEGs.

    Args:
        probabilities: of one method, one [N, K] a seed.
        test: the N images.
        spec: the data's, for paths below its folder.
        each: how many of one class at most.
        most: how many at most; the surest of every class come first.
    """
    mean = np.mean(probabilities, axis=0)  # [N, K]
    taken = mean.argmax(1)
    found = np.flatnonzero(taken != test.labels)
    found = found[np.argsort(-mean[found, taken[found]], kind="stable")]
    seen: Counter[int] = Counter()
    ranked = []
    for row in found.tolist():
        ranked.append((seen[int(test.labels[row])], row))
        seen[int(test.labels[row])] += 1
    kept = sorted(row for row in ranked if row[0] < each)[:most]
    return [
        HardImage(
            thumbnail(test.images.open(row), 112, "jpeg"),
            test.classes[test.labels[row]],
            test.classes[taken[row]],
            float(mean[row, taken[row]]),
            relative(test.images.name(row), spec),
        )
        for _, row in kept
    ]


def prompts(name: str, method: Method, dataset: Dataset) -> list[Picture]:
    """Return pictures of what a method adds to images, alone and on four test images; none where it adds nothing."""
    shown = prompted(method, dataset.test)
    learned = method.choices.get("epoch") != 0  # epoch 0 is the state before training
    return [] if shown is None else prompt_pictures(spoken(name), *shown, learned=learned)


def prompted(method: Method, test: Split, count: int = 4) -> tuple[Values, Values] | None:
    """Return what a method adds to images [3, S, S] and the first test images with it [count, 3, S, S], or None."""
    pixels = load_pixels(test.images, range(min(count, len(test))), method.backbone.preprocess)
    found = method.prompted(torch.from_numpy(pixels))
    return None if found is None else (found[0].numpy(), found[1].numpy())
