"""The loss of a step: cross-entropies over the captions of each view, from what is true and from what a teacher says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coldframe.recipes.pocket.captions import View
from coldframe.recipes.pocket.feed import Batch

Targets = list[tuple[Tensor, Tensor | None]]
"""For each view, the true shares [B, columns] (rows add up to 1, to less where a part has no answer) and what is left out."""


def targets_of(views: Sequence[View], batch: Batch) -> Targets:
    """Return what is true of a batch: a picture with another pasted in has two answers, each with its share."""
    result: Targets = []
    whole = batch.share == 1
    for view in views:
        width = view.columns.stop - view.columns.start
        if view.target is None:
            asked = batch.channel if view.name == "channel" else batch.colour
            result.append((_one_hot(asked, width), None))
            continue
        first, second = view.target[batch.first], view.target[batch.second]
        true = _one_hot(first, width) * batch.share[:, None] + _one_hot(second, width) * (1 - batch.share)[:, None]
        left_out = None
        if view.excluded is not None:
            left_out = view.excluded[batch.first] | (view.excluded[batch.second] & ~whole[:, None])
            left_out = left_out & (true == 0)
        result.append((true, left_out))
    return result


def _one_hot(answer: Tensor, width: int) -> Tensor:
    return (answer[:, None] == torch.arange(width, device=answer.device)).float()  # a row of -1 is all zero


def loss_of(
    logits: Tensor, targets: Targets, views: Sequence[View], taught: Tensor | None, smoothing: float, trust: float
) -> Tensor:
    """Return the weighted loss of each view, the mean over all pictures [views].

    Args:
        logits: of all captions [B, captions].
        targets: what is true.
        views: which captions exclude each other.
        taught: a teacher's logits of the 110 classes [B, 110], or None.
        smoothing: share of each true answer that is spread over all answers.
        trust: share of the loss of a class view that follows the teacher.
    """
    parts = []
    for view, (true, left_out) in zip(views, targets, strict=True):
        mine = logits[:, view.columns]
        mine = mine if left_out is None else mine.masked_fill(left_out, -1e4)
        logs = mine.log_softmax(dim=1)
        spread = logs.mean(dim=1) if left_out is None else (logs * ~left_out).sum(dim=1) / (~left_out).sum(dim=1)
        share = true.sum(dim=1)
        loss = -(1 - smoothing) * (true * logs).sum(dim=1) - smoothing * share * spread
        if taught is not None and view.labels is not None:
            says = taught[:, view.labels]
            says = (says if left_out is None else says.masked_fill(left_out, -1e4)).softmax(dim=1)
            loss = (1 - trust) * loss - trust * share * (says * logs).sum(dim=1)
        parts.append(view.weight * loss.mean())
    return torch.stack(parts)
