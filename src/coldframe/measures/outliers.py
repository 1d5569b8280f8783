"""Which images are unlike all others, and which unlabelled ones would teach most: from unit features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

NEIGHBOUR = 10
MOST = 20_000
"""Images that all others are compared with, at most, drawn evenly."""
FAR = 3.0
"""Interquartile ranges above the third quartile from which a distance is an outlier (Tukey's outer fence)."""


def distances(x: torch.Tensor, k: int = NEIGHBOUR) -> NDArray[np.float64]:
    """Return the distance of each unit feature [N, D] to its k-th nearest other one [N]."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), MOST)).long()
    held, among = x[rows], torch.zeros(len(x), dtype=torch.long)
    among[rows] = 1  # these find themselves first
    k = min(k, len(held) - 1)
    found = []
    for start in range(0, len(x), 2048):
        near = (x[start : start + 2048] @ held.T).topk(k + 1, dim=1).values
        kth = near.gather(1, k - 1 + among[start : start + 2048, None]).squeeze(1)
        found.append((2 - 2 * kth).clamp_min(0).sqrt())
    return np.asarray(torch.cat(found).double().numpy())


def outliers(x: torch.Tensor) -> list[tuple[int, float]]:
    """Return (row, score in [0, 1]) of the features whose distance lies outside Tukey's outer fence, the farthest first."""
    if len(x) <= 2 * NEIGHBOUR:
        return []
    far = distances(x)
    low, high = np.quantile(far, [0.25, 0.75])
    fence = high + FAR * max(high - low, 1e-6)
    rows = np.flatnonzero(far > fence)
    return sorted(((int(row), float(1 - fence / far[row])) for row in rows), key=lambda pair: -pair[1])


def to_label(probabilities: torch.Tensor, x: torch.Tensor, labelled: torch.Tensor, count: int) -> list[int]:
    """Return the images that would teach most, best first: unsure answers far from what is labelled and from each other.

    Greedy: the next is the image with the largest (1 - margin) * distance, where the margin is that of the two most probable
    classes and the distance that to the nearest image that is labelled or chosen already.

    Args:
        probabilities: of unlabelled images [N, K].
        x: their unit features [N, D].
        labelled: unit features of labelled images [M, D].
        count: how many, at most N.

    Source:
        Sener and Savarese, Active learning for convolutional neural networks: a core-set approach (2018), for the distances;
        Scheffer et al. (2001) for the margin.
    """
    top = probabilities.topk(min(2, probabilities.shape[1]), dim=1).values
    unsure = 1 - (top[:, 0] - top[:, 1] if top.shape[1] > 1 else top[:, 0])
    nearest = torch.cat([(x[at : at + 2048] @ labelled.T).amax(1) for at in range(0, len(x), 2048)])
    chosen: list[int] = []
    for _ in range(min(count, len(x))):
        value = unsure * (2 - 2 * nearest).clamp_min(0).sqrt()
        value[chosen] = -1
        row = int(value.argmax())
        chosen.append(row)
        nearest = torch.maximum(nearest, x @ x[row])
    return chosen
