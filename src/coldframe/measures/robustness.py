"""Accuracy of anything that classifies images, as the images get worse: Gaussian noise and corruptions.

What is added is f(seed, content of the image): every method sees the same disturbed images, in any order and any batch, and
the standard deviations of one curve scale one draw.

There are two spaces of noise, and they are two experiments. ``normalised`` adds N(0, d^2) to images after (x - mean) / std, as
the founding course does; where std is 0.27 that is 0.27 d in units of pixels, and nothing is cut. ``pixel`` adds it to pixels
in [0, 1] and cuts the result to [0, 1], as a camera would.

    noise_curve(backbone_and_head, split, backbone.preprocess, [0, 0.1, 0.2], space="pixel").top1
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from coldframe.data.base import Split
from coldframe.data.corruptions import LEVELS, NAMES, corrupt_batch
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError, nearest
from coldframe.measures.accuracy import correct
from coldframe.types import Preprocess

Space = Literal["normalised", "pixel"]
Who = TypeVar("Who", bound=Hashable)
Classify = Callable[[Tensor], Tensor]
"""Normalised images [B, 3, S, S] -> scores [B, K]."""
ClassifyAll = Callable[[Tensor], Mapping[Who, Tensor]]
"""The same of several methods at once, so that they can share what they have in common."""
Progress = Callable[[int, int], None]
COURSE = 0.1
"""The standard deviation of the founding course."""


@dataclass(frozen=True)
class NoiseCurve:
    """Top-1 against the standard deviation of Gaussian noise.

    Args:
        space: where the noise is added.
        deviations: standard deviations, rising; 0 is the clean images.
        top1: fractions, one a standard deviation.
        n: images.
        clean: top-1 of the same images as they are.
    """

    space: Space
    deviations: tuple[float, ...]
    top1: tuple[float, ...]
    n: int
    clean: float

    @property
    def named(self) -> float:
        """The standard deviation that ``noise_top1`` stands for: the course's 0.1 where it is measured, else the largest."""
        return COURSE if COURSE in self.deviations else self.deviations[-1]

    @property
    def noise_top1(self) -> float:
        """Top-1 at :attr:`named`."""
        return self.top1[self.deviations.index(self.named)]


@dataclass(frozen=True)
class CorruptionScores:
    """Top-1 under each corruption at each severity.

    Args:
        top1: corruption -> fractions, one a severity.
        n: images.
        clean: top-1 of the same images as they are.
    """

    top1: dict[str, tuple[float, ...]]
    n: int
    clean: float

    @property
    def by_corruption(self) -> dict[str, float]:
        """The mean over severities of each corruption."""
        return {name: float(np.mean(values)) for name, values in self.top1.items()}

    @property
    def by_severity(self) -> tuple[float, ...]:
        """The mean over corruptions at each severity."""
        return tuple(float(value) for value in np.mean(list(self.top1.values()), axis=0))

    @property
    def mean(self) -> float:
        """Mean corruption accuracy: over all corruptions and severities."""
        return float(np.mean(list(self.top1.values())))


def checked_deviations(deviations: Sequence[float]) -> tuple[float, ...]:
    """Return standard deviations, each once, rising. Raises :class:`InputError` where one is below 0 or no number."""
    if not deviations:
        raise InputError("expected at least one standard deviation of noise, such as 0.1, found none")
    for value in deviations:
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"expected standard deviations of noise of 0 or more, found {value}")
    return tuple(sorted({float(value) for value in deviations}))


def unit_noise(digests: Sequence[str], size: int, *, seed: int = 0) -> Tensor:
    """Return N(0, 1) noise [B, 3, S, S], each image's own: f(seed, digest)."""
    drawn = []
    for digest in digests:
        key = hashlib.sha256(f"{seed}:noise:{digest}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
        drawn.append(torch.randn(3, size, size, generator=generator))
    return torch.stack(drawn)  # [B, 3, S, S]


def noise_curve(
    classify: Classify, split: Split, preprocess: Preprocess, deviations: Sequence[float], **settings: Any
) -> NoiseCurve:
    """Return the curve of one callable; see :func:`noise_curves` for the settings."""
    return noise_curves(lambda x: {"": classify(x)}, split, preprocess, deviations, **settings)[""]


def noise_curves(
    classify: ClassifyAll[Who],
    split: Split,
    preprocess: Preprocess,
    deviations: Sequence[float],
    *,
    space: Space = "normalised",
    seed: int = 0,
    batch_size: int = 8,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> dict[Who, NoiseCurve]:
    """Measure top-1 under Gaussian noise of several standard deviations.

    Args:
        classify: normalised images [B, 3, S, S] -> scores [B, K] by name.
        split: N images with labels.
        preprocess: how they are decoded and normalised.
        deviations: standard deviations, in units of the space.
        space: ``"normalised"`` or ``"pixel"``.
        seed: of the noise.
        batch_size: B.
        device: where ``classify`` runs.
        dtype: what ``classify`` takes.
        progress: called with (batches done, batches in all).

    Raises:
        InputError: no images, no standard deviations, one below 0, or an unknown space.
    """
    chosen = checked_deviations(deviations)
    passed = chosen if chosen[0] == 0 else (0.0, *chosen)  # the clean images are always among them
    if space not in get_args(Space):
        raise InputError(f"unknown space of noise {space!r}{nearest(str(space), get_args(Space))}")

    def variants(pixels: np.ndarray[Any, np.dtype[np.uint8]], digests: Sequence[str]) -> Iterator[Tensor]:
        clean = torch.from_numpy(pixels).float().div(255)  # [B, 3, S, S]
        noise = unit_noise(digests, preprocess.size, seed=seed)
        for deviation in passed:
            if space == "pixel":
                yield _normalised((clean + deviation * noise).clamp(0, 1), preprocess)
            else:
                yield _normalised(clean, preprocess) + deviation * noise

    found = _hits(classify, split, preprocess, variants, len(passed), batch_size, device, dtype, progress)
    shares = {who: tuple((hits / len(split)).tolist()) for who, hits in found.items()}
    return {who: NoiseCurve(space, chosen, top1[-len(chosen) :], len(split), top1[0]) for who, top1 in shares.items()}


def corruption_score(classify: Classify, split: Split, preprocess: Preprocess, **settings: Any) -> CorruptionScores:
    """Return the scores of one callable; see :func:`corruption_scores` for the settings."""
    return corruption_scores(lambda x: {"": classify(x)}, split, preprocess, **settings)[""]


def corruption_scores(
    classify: ClassifyAll[Who],
    split: Split,
    preprocess: Preprocess,
    *,
    names: Sequence[str] = NAMES,
    seed: int = 0,
    batch_size: int = 8,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[Who, CorruptionScores]:
    """Measure top-1 under corruptions at five severities each, see :mod:`coldframe.data.corruptions`.

    Args:
        names: corruptions; all fifteen when left out.
        workers: threads that corrupt images.

    The other arguments are those of :func:`noise_curves`.
    """
    grid = [(name, severity) for name in names for severity in LEVELS]

    def variants(pixels: np.ndarray[Any, np.dtype[np.uint8]], digests: Sequence[str]) -> Iterator[Tensor]:
        yield _normalised(torch.from_numpy(pixels).float().div(255), preprocess)
        for name, severity in grid:
            worse = corrupt_batch(pixels, name, severity, digests=digests, seed=seed, workers=workers)
            yield _normalised(torch.from_numpy(worse).float().div(255), preprocess)

    found = _hits(classify, split, preprocess, variants, 1 + len(grid), batch_size, device, dtype, progress)
    scores = {}
    for who, hits in found.items():
        shares = hits / len(split)
        table = shares[1:].reshape(len(names), len(LEVELS))
        top1 = {name: tuple(row.tolist()) for name, row in zip(names, table, strict=True)}
        scores[who] = CorruptionScores(top1, len(split), float(shares[0]))
    return scores


def _normalised(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    mean, std = (torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (preprocess.mean, preprocess.std))
    return (pixels - mean) / std


@torch.no_grad()
def _hits(
    classify: ClassifyAll[Who],
    split: Split,
    preprocess: Preprocess,
    variants: Callable[[np.ndarray[Any, np.dtype[np.uint8]], Sequence[str]], Iterator[Tensor]],
    count: int,
    batch_size: int,
    device: torch.device | str,
    dtype: torch.dtype,
    progress: Progress | None,
) -> dict[Who, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the number of right answers under each of ``count`` variants of the images, by who answered."""
    if not len(split):
        raise InputError("expected at least one image to disturb, found none; check the split")
    found: dict[Who, np.ndarray[Any, np.dtype[np.float64]]] = {}
    starts = range(0, len(split), batch_size)
    for number, start in enumerate(starts, 1):
        rows = range(start, min(start + batch_size, len(split)))
        pixels = load_pixels(split.images, rows, preprocess)  # [B, 3, S, S]
        labels, digests = split.labels[rows.start : rows.stop], [split.images.digest(row) for row in rows]
        for place, images in enumerate(variants(pixels, digests)):
            for who, scores in classify(images.to(device, dtype)).items():
                found.setdefault(who, np.zeros(count))[place] += correct(scores, labels).sum()
        if progress is not None:
            progress(number, len(starts))
    return found
