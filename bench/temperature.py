"""What a temperature gains from left-out training images where validation images are few; a table for docs/trust.md.

    COLDFRAME_DATA=DATA python bench/temperature.py

The linear probe is fitted once for each line. T comes from its validation images, or from these and its training images left
out in ten folds; it stays 1 where it is no surer to help. Five folds of pets are one line; others are means over three seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from trust import models

from coldframe import LinearProbe, load_backbone, load_dataset
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset
from coldframe.data.crossing import crossed
from coldframe.files import data_root
from coldframe.measures import ece
from coldframe.methods.calibrated import HeldOut

Scored = tuple[Tensor, Tensor]


def scaled(backbone: Backbone, data: Dataset) -> tuple[Scored, Scored]:
    """Return logits over T [N, K] and labels [N] of the test images, T by validation images alone and with the others."""
    cold = ColdPass()
    probe = LinearProbe(backbone).fit(data.train, data.val, cold=cold)
    val, labels = probe.logits(data.val, cold=cold), torch.from_numpy(data.val.labels)
    logits, truth = probe.logits(data.test, cold=cold), torch.from_numpy(data.test.labels)
    spare = probe.spare_logits(data.train, cold)
    first, second = (logits / HeldOut.of(val, labels, each)[1] for each in (None, spare))
    return (first, truth), (second, truth)


def cell(scored: Sequence[Scored]) -> str:
    """Return the mean negative log-likelihood and ECE over data sets."""
    losses = [float(cross_entropy(z.double(), y)) for z, y in scored]
    errors = [ece(z.double().softmax(-1), y.numpy()) for z, y in scored]
    return f"{np.mean(losses):.3f}, {np.mean(errors):.3f}"


def main() -> None:
    root = data_root()
    assert root is not None, "set COLDFRAME_DATA"
    pets = f"folder:{root / 'pets-sample'}"
    cases: list[tuple[str, str, list[Dataset], bool]] = []
    for short in ("lite0", "mobilenetv2_100"):
        cases.append(("pets-sample, five folds together", short, crossed(load_dataset(pets, whole=True), 5), True))
        cases.append(("pets-sample, its own test images", short, [load_dataset(pets, seed=s) for s in range(3)], False))
    for shots in (10, 50):
        sets = [load_dataset(f"folder:{root / 'eurosat'}", shots=shots, seed=s) for s in range(3)]
        cases.append((f"EuroSAT, {shots} training images per class", "lite0", sets, False))
    print("| data | model | validation images alone | with left-out training images |\n| --- | --- | --- | --- |")
    for name, short, sets, joined in cases:
        backbone = load_backbone(models(root)[short])
        pairs = [scaled(backbone, data) for data in sets]
        cells = []
        for side in (0, 1):
            each = [pair[side] for pair in pairs]
            cells.append(cell([(torch.cat([z for z, _ in each]), torch.cat([y for _, y in each]))] if joined else each))
        print(f"| {name} | {short} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
