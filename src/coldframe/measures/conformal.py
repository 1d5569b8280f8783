"""Sets of classes that hold the true one in a wanted share of cases, whatever the classifier: split conformal prediction.

Each class of an image has a score, low where the class fits. The q of N labelled images that nothing was learned from is the
ceil((N + 1) * level)-th smallest score of a true class; the set of a new image holds the classes with scores up to q. Images of
the same kind have their true class in it with probability at least ``level``.

Source: Sadinle, Lei and Wasserman (2019) for LAC; Romano, Sesia and Candès (2020), arXiv 2006.02544, for APS; Angelopoulos,
Bates, Malik and Jordan (2021), arXiv 2009.14193, for RAPS.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.accuracy import as_array, checked

Kind = Literal["lac", "aps", "raps"]
KINDS: tuple[Kind, ...] = ("lac", "aps", "raps")
PENALTY, FREE = 0.01, 5
"""RAPS: what each class behind the first ``FREE`` adds to the score, as in the paper's experiments on ImageNet."""


def class_scores(
    probabilities: Any, kind: Kind, draws: NDArray[np.float64] | None = None, *, penalty: float = PENALTY, free: int = FREE
) -> NDArray[np.float64]:
    """Return the score of each class of each item [N, K].

    ``lac``: 1 - p_k. ``aps``: the probability of all classes more probable than k, 0 for the first, so that its set is never
    empty. ``raps``: the same plus ``penalty`` for each place of k behind the first ``free``.

    Args:
        probabilities: [N, K].
        kind: of the score.
        draws: numbers u in [0, 1) [N], as in the papers: (1 - u) p_k is added, so that the coverage is exact; 0 when None.
        penalty: of ``raps``.
        free: of ``raps``.
    """
    p = as_array(probabilities).astype(np.float64)
    if kind not in KINDS:
        raise InputError(f"expected a score of {', '.join(KINDS)}, found {kind!r}")
    if kind == "lac":
        return np.asarray(1 - p)
    order = np.argsort(-p, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(p.shape[1]), p.shape), axis=1)
    found = np.take_along_axis(np.cumsum(np.take_along_axis(p, order, axis=1), axis=1), place, axis=1)
    found = found - (p if draws is None else draws[:, None] * p)
    return np.asarray(found + penalty * np.maximum(place + 1 - free, 0) if kind == "raps" else found)


def true_scores(probabilities: Any, labels: Any, kind: Kind) -> NDArray[np.float64]:
    """Return the score of the true class of each item [N]."""
    p, y = checked(probabilities, labels)
    return np.asarray(class_scores(p, kind)[np.arange(len(y)), y])


def quantile(scores: Any, level: float) -> float:
    """Return q: the ceil((N + 1) * level)-th smallest score; infinite where N images are too few for the level.

    Example:
        >>> quantile([0.1, 0.2, 0.3, 0.4], 0.8), quantile([0.1, 0.2], 0.9)
        (0.4, inf)
    """
    if not 0 < level < 1:
        raise InputError(f"expected a level between 0 and 1, such as 0.9, found {level:g}")
    values = np.sort(as_array(scores).astype(np.float64))
    rank = math.ceil((len(values) + 1) * level - 1e-9)
    return float(values[rank - 1]) if rank <= len(values) else math.inf


def sets(probabilities: Any, q: float, kind: Kind, *, never_empty: bool = True) -> NDArray[np.bool_]:
    """Return which classes are in the set of each item [N, K]; the most probable one always, unless told otherwise."""
    p = as_array(probabilities).astype(np.float64)
    found = class_scores(p, kind) <= q + 1e-12
    if never_empty:
        found[np.arange(len(p)), p.argmax(1)] = True
    return np.asarray(found)
