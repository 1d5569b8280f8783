"""One evaluation of one fitted method: the row of a table, and what its figures need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.evaluation.trust import trust
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
    logits = method.logits(split, cold=cold)  # [N, K]
    raw, probabilities = logits.softmax(-1).numpy(), (logits / method.divisor).softmax(-1).numpy()
    row = row_of(method, split, raw, data=data, seed=seed)
    if method.validated is not None and len(method.validated.right):
        row["val_top1"] = float(method.validated.right.double().mean())
    row |= trust(raw, probabilities, split.labels, method.validated, method.divisor, split.classes)
    return Evaluation(row, probabilities, logits)


def row_of(
    method: Method, split: Split, probabilities: NDArray[np.float32], *, data: str, seed: int | None = None
) -> Row:
    """Return the row of probabilities [N, K] that a method gave to the images of a split; see :func:`evaluate`."""
    return {
        "method": method.name,
        "model": method.backbone.name,
        "data": data,
        "seed": seed,
        "split": split.name,
        "n": len(split),
        **measured(probabilities, split.labels),
        "trainable_parameters": method.trainable_parameters,
        "stored_bytes": method.stored_bytes,
    }
