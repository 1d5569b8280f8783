"""Some of the items of a split, as evenly over its classes as they come."""

from __future__ import annotations

import numpy as np

from coldframe.data.base import Split


def evenly(split: Split, most: int | None, seed: int = 0) -> Split:
    """Return at most ``most`` items, as evenly over the classes as they come, in their own order."""
    if most is None or most >= len(split):
        return split
    order = np.random.default_rng(seed).permutation(len(split))
    rank, seen = np.empty(len(split), dtype=np.int64), dict.fromkeys(range(len(split.classes)), 0)
    for row in order.tolist():
        label = int(split.labels[row])
        rank[row], seen[label] = seen[label], seen[label] + 1
    place = np.argsort(order)
    return split.subset(np.sort(np.lexsort((place, rank))[:most]))
