"""Whether answers can be believed: calibration, silence, sets of classes, and the worst class, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures import conformal, resampling, wilson
from coldframe.measures.abstaining import answered, aurc, risk_at
from coldframe.measures.accuracy import per_class
from coldframe.measures.calibration import brier_scores, class_ece, ece, log_losses
from coldframe.methods.calibrated import HeldOut
from coldframe.types import Row

LEVEL = 0.9
"""Wanted share of images whose true class is in the set."""
COVERAGES = (0.8, 0.9)
Ends = tuple[float, float]


def trust(
    raw: NDArray[Any], calibrated: NDArray[Any], labels: NDArray[np.int64], held: HeldOut | None, divisor: float,
    classes: Sequence[str],
) -> Row:  # fmt: skip
    """Return the fields of a row that say whether answers can be believed; ``intervals`` holds the 95% interval of each.

    Intervals speak of the images: Wilson's for shares, 1.96 standard errors for means, resampled images for the others.

    Args:
        raw: softmax of the logits [N, K].
        calibrated: softmax of logits / T [N, K].
        labels: [N].
        held: answers to images that had no part in learning, for sets; none are measured without.
        divisor: T.
        classes: their names.
    """
    p, y = np.asarray(calibrated, dtype=np.float64), labels
    n = len(y)
    row: Row = {"temperature": divisor, "ece_scaled": ece(p, y), "class_ece": class_ece(p, y), "aurc": aurc(p, y)}
    ends: dict[str, Ends] = {
        "ece": _around(ece(raw, y), resampling.ece_half(np.asarray(raw, dtype=np.float64), y)),
        "ece_scaled": _around(row["ece_scaled"], resampling.ece_half(p, y)),
        "class_ece": _around(row["class_ece"], resampling.class_ece_half(p, y)),
        "aurc": _around(row["aurc"], resampling.aurc_half(p, y)),
    }
    for name, values in (("brier", brier_scores(p, y)), ("nll", log_losses(p, y))):
        row[name] = float(values.mean())
        ends[name] = _mean(values)
    for coverage in COVERAGES:
        name = f"risk{round(100 * coverage)}"
        row[name] = risk_at(p, y, coverage)
        ends[name] = _share(row[name], answered(n, coverage))
    accuracies = per_class(raw, y)
    worst = min((value, k) for k, value in enumerate(accuracies) if value is not None)[1]
    row["worst_class"] = accuracies[worst]
    ends["worst_class"] = _share(row["worst_class"], int((y == worst).sum()))
    row["worst_class_name"] = classes[worst]
    for kind in conformal.KINDS:
        try:
            limit = None if held is None else held.limit(kind, LEVEL)
        except InputError:  # too few validation images for the level: not measured
            limit = None
        if limit is not None:
            inside = conformal.sets(p, limit, kind)
            sizes, covered = inside.sum(1).astype(np.float64), float(inside[np.arange(n), y].mean())
            row |= {f"{kind}_size": float(sizes.mean()), f"{kind}_coverage": covered}
            ends |= {f"{kind}_size": _mean(sizes), f"{kind}_coverage": _share(covered, n)}
    return row | {"intervals": {name: list(pair) for name, pair in ends.items()}}


def _around(value: float, half: float) -> Ends:
    return max(0.0, value - half), min(1.0, value + half)


def _mean(values: NDArray[np.float64]) -> Ends:
    half = 1.96 * float(values.std(ddof=1 if len(values) > 1 else 0)) / len(values) ** 0.5
    return max(0.0, float(values.mean()) - half), float(values.mean()) + half


def _share(value: float, n: int) -> Ends:
    found = wilson(value * n, n)
    return found.low or 0.0, 1.0 if found.high is None else found.high
