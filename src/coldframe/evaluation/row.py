"""One evaluation of one fitted method: the row of a table, and what its figures need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.evaluation.tagged import tag_row
from coldframe.evaluation.trust import trust
from coldframe.measures import ranks
from coldframe.methods.base import Method
from coldframe.results.fields import measured
from coldframe.types import Row


@dataclass
class Evaluation:
    """The row of one method on one split, with its calibrated probabilities [N, K] and its logits [N, K]."""

    row: Row
    probabilities: NDArray[np.float32]
    logits: Tensor


def evaluate(method: Method, split: Split, *, data: str, seed: int | None = None, cold: ColdPass | None = None) -> Evaluation:
    """Measure a fitted method on a split.

    Args:
        method: fitted.
        split: with the classes that were learned.
        data: the data's spec, for the row.
        seed: of the fit, for the row.
        cold: the store.

    Returns:
        The fields of DESIGN's row that come from predictions: accuracies as fractions, ECE over 15 bins before temperature
        scaling, and those of :func:`coldframe.evaluation.trust.trust`.

    Raises:
        InputError: the classes are others.
    """
    method.check_classes(split.classes)
    method.check_targets(split)
    logits = method.logits(split, cold=cold)  # [N, K]
    if split.tags is not None:
        found = method.probabilities(logits).numpy()
        return Evaluation(_about(method, split, data, seed) | tag_row(found, method.thresholds, split), found, logits)
    raw, probabilities = logits.softmax(-1).numpy(), (logits / method.divisor).softmax(-1).numpy()
    row = row_of(method, split, raw, data=data, seed=seed)
    if method.validated is not None and len(method.validated.right):
        row["val_top1"] = float(method.validated.right.double().mean())
    if split.ordered:
        row |= rank_row(probabilities, split.labels)
    row |= trust(raw, probabilities, split.labels, method.validated, method.divisor, split.classes)
    return Evaluation(row, probabilities, logits)


def row_of(
    method: Method, split: Split, probabilities: NDArray[np.float32], *, data: str, seed: int | None = None
) -> Row:
    """Return the row of probabilities [N, K] that a method gave to the images of a split; see :func:`evaluate`."""
    return _about(method, split, data, seed) | measured(probabilities, split.labels)


def rank_row(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Row:
    """Return how far off answers are where classes are ranks, from probabilities [N, K]."""
    answers, classes = probabilities.argmax(1), probabilities.shape[1]
    return {
        "kappa": ranks.quadratic_kappa(answers, labels, classes),
        "rank_error": ranks.rank_error(answers, labels),
        "spearman": ranks.spearman(probabilities @ np.arange(classes), labels),
    }


def _about(method: Method, split: Split, data: str, seed: int | None) -> Row:
    return {
        "method": method.name,
        "model": method.backbone.name,
        "data": data,
        "seed": seed,
        "split": split.name,
        "n": len(split),
        "trainable_parameters": method.trainable_parameters,
        "stored_bytes": method.stored_bytes,
    }
