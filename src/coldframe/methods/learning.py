"""How methods with gradients learn from stored activations: the house's loop with cross-entropy and validation top-1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.methods.base import Method, Report
from coldframe.training import Group, Recipe, train

Logits = Callable[[Tensor, int], Tensor]
"""(items [b], epoch) -> logits [b, K]."""


def learn(
    method: Method,
    parameters: Mapping[str, Tensor],
    logits: Logits,
    recipe: Recipe,
    train_split: Split,
    val: Split | None,
    *,
    cold: ColdPass,
    run: Path | None,
    report: Report | None,
    note: str = "",
) -> None:
    """Train ``parameters`` in place by cross-entropy; the epoch with the best top-1 on ``val`` is kept.

    The start counts as epoch 0: where no epoch is better on ``val``, what was there before training is kept.

    Args:
        method: gets ``history`` and ``choices``.
        parameters: what is trained or kept with it, by name.
        logits: of training items.
        recipe: of the loop.
        train_split: whose labels are learned.
        val: what the epoch is chosen on, or None.
        cold: where the activations of ``val`` come from.
        run: folder of checkpoints.
        report: called after each epoch.
        note: how the activations come about, for the report.
    """
    labels = torch.from_numpy(train_split.labels).to(method.backbone.device)

    def loss(items: Tensor, epoch: int) -> Tensor:
        return functional.cross_entropy(logits(items, epoch), labels[items])

    validate: Callable[[], float] | None = None
    if val is not None and len(val):
        stored, truth = cold.activations(method.backbone, val, method.cut), torch.from_numpy(val.labels)

        def validate() -> float:
            found = [method.warm(stored.gather(rows)).argmax(-1).cpu() for rows in torch.split(torch.arange(len(truth)), 256)]
            return float((torch.cat(found) == truth).float().mean())

    start = {name: value.detach().clone() for name, value in parameters.items()}
    before = validate() if validate is not None else None
    learned = [value for value in parameters.values() if value.is_floating_point()]
    for value in learned:
        value.requires_grad_(True)
    result = train(
        parameters, loss, len(train_split), recipe, groups=[Group(learned)], validate=validate, run=run,
        key=method.key(train_split, val) if run is not None else "", report=report, tensorboard=method.tensorboard,
    )  # fmt: skip
    for value in learned:
        value.requires_grad_(False)
    method.history = result.history
    epoch = result.best_epoch
    if before is not None and result.best is not None and before > result.best:
        epoch = 0
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(start[name])
    method.choices = {"epoch": epoch, "cut": method.cut, "cold": note}
    if validate is not None and val is not None:
        method.choices["chosen on"] = val.name
