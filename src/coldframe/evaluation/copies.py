"""Test images that repeat an image that was learned from: what an accuracy counts without having earned it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Split
from coldframe.types import FEATURES

SAME = 0.9999
"""Cosine of two images' features from which they count as copies: the same picture stored in another way."""
MOST = 2e9
"""Pairs of images whose features are compared, at most; of more, equal bytes alone count."""


def copied(dataset: Dataset, backbone: Backbone, cold: ColdPass) -> NDArray[np.bool_]:
    """Return which test images are in train or val too [N]: equal bytes, or features that hardly differ.

    Args:
        dataset: its splits.
        backbone: whose stored features are compared.
        cold: the store.
    """
    learned = [part for part in (dataset.train, dataset.val) if len(part)]
    known = {part.images.digest(row) for part in learned for row in range(len(part))}
    test = dataset.test
    found = np.array([test.images.digest(row) in known for row in range(len(test))], dtype=bool)
    if not len(test) or sum(map(len, learned)) * len(test) > MOST:
        return found
    seen = _unit(backbone, test, cold)
    for part in learned:
        held = _unit(backbone, part, cold)
        for start in range(0, len(held), 4096):
            found |= ((seen @ held[start : start + 4096].T).amax(1) >= SAME).numpy()
    return found


def said(copies: NDArray[np.bool_], correct: NDArray[np.bool_], who: str = "the recommended method") -> str:
    """Return the sentence on copies among the test images; empty where there are none.

    Args:
        copies: which test images are copies [N].
        correct: which answers are right, one row a seed [S, N].
        who: gave them.
    """
    count = int(copies.sum())
    if not count:
        return ""
    text = f"{count:,} of {len(copies):,} test images are copies of training images: the accuracy counts them"
    if count == len(copies):
        return f"{text}, and there are no others"
    return f"{text}; without them {who} has {correct[:, ~copies].mean():.1%}, with them {correct.mean():.1%}"


def _unit(backbone: Backbone, split: Split, cold: ColdPass) -> torch.Tensor:
    rows = torch.arange(len(split))
    return functional.normalize(cold.activations(backbone, split, FEATURES).gather(rows).float().cpu(), dim=-1)
