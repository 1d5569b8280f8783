"""Several labels per image: average precision, F1, thresholds, and how far they would move on other images.

Scores [N, K] rank the images of each label by themselves; ``tags`` [N, K] says which labels each image has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.accuracy import as_array
from coldframe.measures.pairing import Difference, quantile

DRAWS = 1000
"""Resamples of the images behind an interval; fewer where there are many images."""
_WORK = 2e7
"""Images times resamples that are ranked at once, at most."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def checked(scores: Any, tags: Any) -> tuple[Floats, Flags]:
    """Return scores and tags as arrays of one shape [N, K].

    Raises:
        InputError: they are not, there is nothing to measure, or a score is NaN.
    """
    s, t = as_array(scores).astype(np.float64), as_array(tags).astype(np.bool_)
    if s.ndim != 2 or s.shape != t.shape or not s.size:
        raise InputError(f"expected scores and labels of one shape [N, K], found {list(s.shape)} and {list(t.shape)}")
    if np.isnan(s).any():
        raise InputError("expected numbers as scores, found NaN; the method diverged, lower its learning rate")
    return s, t


def average_precision(scores: Any, tags: Any) -> Floats:
    """Return the average precision of each label [K]: AP = sum_n (R_n - R_(n-1)) P_n over distinct scores from above.

    NaN for a label that no image has. Equal scores are one step, as in scikit-learn's ``average_precision_score``.
    """
    s, t = checked(scores, tags)
    found: Floats = _drawn(s, t, np.ones((1, len(s))))[0]
    return found


def mean_average_precision(scores: Any, tags: Any) -> float | None:
    """Return mAP, the mean of :func:`average_precision` over the labels that some image has; None where none has any."""
    found = average_precision(scores, tags)
    return None if np.isnan(found).all() else float(np.nanmean(found))


def f1(predicted: Any, tags: Any) -> tuple[float, float]:
    """Return (micro F1, macro F1) of predicted labels [N, K], with F1 = 2 TP / (2 TP + FP + FN), and 0 where that is 0 / 0.

    Micro counts over all labels together; macro is the mean over labels.
    """
    p, t = as_array(predicted).astype(np.bool_), as_array(tags).astype(np.bool_)
    both, either = (p & t).sum(0), p.sum(0) + t.sum(0)
    each = np.where(either > 0, 2 * both / np.maximum(either, 1), 0.0)
    return float(2 * both.sum() / max(1, either.sum())), float(each.mean())


def thresholds(scores: Any, tags: Any) -> list[float]:
    """Return for each label the threshold on its score with the highest F1 on these images; of equals the highest.

    A label has an image where its score is at least the threshold, which lies halfway between two scores. 0.5 for a label that
    no image has.
    """
    s, t = checked(scores, tags)
    found = []
    for values, truth in zip(s.T, t.T, strict=True):
        if not truth.any():
            found.append(0.5)
            continue
        order = np.argsort(-values, kind="stable")
        ranked, hits = values[order], truth[order].cumsum()
        last = np.flatnonzero(np.append(ranked[:-1] != ranked[1:], True))  # the end of each run of equal scores
        score = 2 * hits[last] / (last + 1 + truth.sum())
        at = int(score.argmax())
        above = ranked[last[at]]
        found.append(float((above + ranked[last[at] + 1]) / 2 if last[at] + 1 < len(ranked) else above))
    return found


def map_interval(scores: Any, tags: Any, *, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return the interval of mAP over images: mAP plus and minus z standard deviations over bootstrap resamples.

    Not the resamples' quantiles: images that are drawn twice rank beside themselves, which moves mAP up.
    """
    value = mean_average_precision(scores, tags) or 0.0
    half = NormalDist().inv_cdf(0.5 + level / 2) * float(_resampled([scores], tags, seed)[0].std())
    return max(0.0, value - half), min(1.0, value + half)


def map_difference(a: Sequence[Any], b: Sequence[Any], tags: Any, *, level: float = 0.95, seed: int = 0) -> Difference:
    """Return mAP of a minus that of b, a mean over seeds, with its interval over images and seeds.

    What the images add to the variance is that over bootstrap resamples, which both methods share; the seeds add s^2 / S. The
    interval is value ± t sqrt(V_images + V_seeds), with t as in :func:`coldframe.measures.pairing.paired`.

    Args:
        a: scores [N, K] of the same images, one a seed.
        b: the same of the other method.
        tags: [N, K].
        level: coverage.
        seed: of the resamples.
    """
    n, seeds = len(as_array(tags)), len(a)
    points = [np.array([mean_average_precision(s, tags) or 0.0 for s in side]) for side in (a, b)]
    each = points[0] - points[1]
    drawn = [np.mean(_resampled(side, tags, seed), axis=0) for side in (a, b)]
    images = float((drawn[0] - drawn[1]).var())
    among = float(each.var(ddof=1)) / seeds if seeds > 1 else 0.0
    spread = images**2 / max(n - 1, 1) + (among**2 / (seeds - 1) if seeds > 1 else 0.0)
    degrees = (images + among) ** 2 / spread if spread else math.inf
    half, value = quantile(0.5 + level / 2, degrees) * math.sqrt(images + among), float(each.mean())
    return Difference(value, max(-1.0, value - half), min(1.0, value + half), n, seeds, images * n, among)


def _resampled(several: Sequence[Any], tags: Any, seed: int) -> list[Floats]:
    """Return mAP of some scores over the same resamples of the images, each [draws]; one without any label has none."""
    n, some = len(as_array(tags)), as_array(tags).astype(np.bool_).any(1)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n, np.full(n, 1 / n), size=int(np.clip(_WORK / n, 50, DRAWS))).astype(np.float64)
    counts = counts[counts[:, some].any(1)]
    if not len(counts):
        return [np.zeros(1) for _ in several]
    return [np.nanmean(_drawn(*checked(scores, tags), counts), axis=1) for scores in several]


def _drawn(s: Floats, t: Flags, counts: Floats) -> Floats:
    """Return the average precision of each label where image n counts ``counts[b, n]`` times [B, K]."""
    found = np.full((len(counts), s.shape[1]), np.nan)
    for k in range(s.shape[1]):
        order = np.argsort(-s[:, k], kind="stable")
        ranked, truth = s[order, k], t[order, k]
        last = np.flatnonzero(np.append(ranked[:-1] != ranked[1:], True))
        weights = counts[:, order]
        hits = (weights * truth).cumsum(1)[:, last]  # [B, steps]
        taken = weights.cumsum(1)[:, last]
        all_hits = hits[:, -1]
        steps = np.diff(hits, axis=1, prepend=0.0)
        precision = hits / np.maximum(taken, 1e-12)
        some = all_hits > 0
        found[some, k] = (steps[some] * precision[some]).sum(1) / all_hits[some]
    return found
