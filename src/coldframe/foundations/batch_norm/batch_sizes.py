"""Small batches against six ways to normalise: one small network, the same images, steps in proportion.

``coldframe train batch-norm`` runs it; its figures stand in docs/batch-norm.md.

The network has both places where batch normalisation is used: convolutions, where a channel is averaged over the batch and all
positions, and a hidden linear layer, where there is only the batch. Behind the linear layer two images become -1 and +1
whatever they were, and one image has nothing to be compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from coldframe.data import load_dataset
from coldframe.errors import InputError, nearest
from coldframe.foundations.mlp.normalisation import check_batch
from coldframe.foundations.mlp.pictures import Examples, read
from coldframe.measures.significance import interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Normalisation = Literal["none", "batch", "layer", "group", "instance", "weight"]
SIZES = (1, 2, 8, 64)
WIDTHS = (8, 16, 16)
OWN = "batch, own statistics"


@dataclass(frozen=True)
class Outcome:
    """Accuracies of one network.

    Args:
        normalisation: its kind.
        batch: B in training.
        seed: of the weights and the order.
        running: test accuracy in evaluation mode; with batch normalisation from running averages.
        own: test accuracy with the statistics of the test images themselves, in batches of ``batch``; equal to ``running``
            without batch normalisation.
        train: accuracy on the training images of the last epoch, as they were met.
    """

    normalisation: Normalisation
    batch: int
    seed: int
    running: float
    own: float
    train: float


def network(kind: Normalisation, seed: int = 0, classes: int = 10) -> nn.Sequential:
    """Return three convolutions of stride 2, a hidden layer of 64, and a classifier.

    Each layer but the last is normalised by ``kind`` and followed by ReLU. A vector has no positions to average over, so that
    instance normalisation leaves the hidden layer as it is.

    Args:
        kind: the normalisation.
        seed: of the weights.
        classes: K.
    """
    if kind not in get_args(Normalisation):
        raise InputError(f"unknown normalisation {kind!r}{nearest(kind, get_args(Normalisation))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for c_in, c_out in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            convolution = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1)
            layers += [_weighted(kind, convolution), _norm(kind, c_out, nn.BatchNorm2d), nn.ReLU()]
        layers.append(nn.Flatten())
        hidden = nn.Linear(WIDTHS[-1] * 4 * 4, 64)
        layers += [_weighted(kind, hidden), _norm(kind, 64, nn.BatchNorm1d), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(64, classes))


def _weighted(kind: Normalisation, layer: nn.Module) -> nn.Module:
    return nn.utils.parametrizations.weight_norm(layer) if kind == "weight" else layer


def _norm(kind: Normalisation, channels: int, batch_norm: type[nn.BatchNorm1d] | type[nn.BatchNorm2d]) -> nn.Module:
    if kind == "batch":
        return batch_norm(channels)
    # Groups share a mean and a variance over their channels and all positions of one image.
    groups = {"layer": 1, "group": 4, "instance": channels}.get(kind)
    if groups is None or (kind == "instance" and batch_norm is nn.BatchNorm1d):
        return nn.Identity()
    return nn.GroupNorm(groups, channels)


def train_and_test(
    kind: Normalisation, batch: int, data: tuple[Tensor, Tensor, Tensor, Tensor], *, epochs: int, lr: float, seed: int
) -> Outcome:
    """Train by SGD with learning rate lr * batch / 64, so that all batch sizes see the same images and go equally far.

    Args:
        kind: the normalisation.
        batch: B.
        data: train images [N, 3, H, W], their labels [N], test images, their labels.
        epochs: passes over the training images.
        lr: learning rate of a batch of 64.
        seed: of the weights and the order.

    Raises:
        InputError: a batch of one with batch normalisation.
    """
    if kind == "batch":
        check_batch(batch)
    x, labels, test, truth = data
    net = network(kind, seed)
    optimiser = torch.optim.SGD(net.parameters(), lr=lr * batch / 64)
    right = torch.zeros(())
    for epoch in range(epochs):
        right.zero_()
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for rows in torch.split(order, batch):
            logits = net(x[rows])
            loss = nn.functional.cross_entropy(logits, labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            right += (logits.argmax(dim=1) == labels[rows]).sum()
    net.eval()
    with torch.no_grad():
        running = float((net(test).argmax(dim=1) == truth).float().mean())
        net.train()
        answers = torch.cat([net(part).argmax(dim=1) for part in torch.split(test, batch)]) if kind == "batch" else None
    own = running if answers is None else float((answers == truth).float().mean())
    return Outcome(kind, batch, seed, running, own, float(right) / len(x))


def compare(
    *, sizes: Sequence[int] = SIZES, seeds: int = 3, epochs: int = 2, lr: float = 0.2, images: int | None = None
) -> list[Outcome]:
    """Train every normalisation at every batch size on mini:mnist; batch normalisation at batch 1 is left out.

    Args:
        sizes: batch sizes.
        seeds: runs of each.
        epochs: passes over the training images.
        lr: learning rate of a batch of 64.
        images: training images at most, all when None; cut to a number that every batch size divides.
    """
    if not sizes or min(sizes) < 1 or seeds < 1 or epochs < 1:
        raise InputError(f"expected numbers of 1 or more, found sizes={list(sizes)}, seeds={seeds} and epochs={epochs}")
    digits = load_dataset("mini:mnist", val=0.01)
    whole = int(np.lcm.reduce(sizes))
    used = min(images or len(digits.train), len(digits.train)) // whole * whole
    if not used:
        raise InputError(f"expected {whole} images or more, which every batch size divides, found {images}; give more")
    data = (*_tensors(read(digits.train), used), *_tensors(read(digits.test), len(digits.test) // whole * whole))
    kinds: tuple[Normalisation, ...] = get_args(Normalisation)
    return [
        train_and_test(kind, size, data, epochs=epochs, lr=lr, seed=seed)
        for kind in kinds
        for size in sizes
        if not (kind == "batch" and size == 1)
        for seed in range(seeds)
    ]


def _tensors(examples: Examples, n: int) -> tuple[Tensor, Tensor]:
    rows = np.random.default_rng(0).permutation(len(examples))[:n]
    pixels = torch.from_numpy(examples.batch(rows, np.float32)).reshape(n, 3, 32, 32)
    return pixels, torch.from_numpy(examples.labels[rows])


def over_seeds(outcomes: Sequence[Outcome], field: str) -> dict[tuple[str, int], tuple[float, float]]:
    """Return (normalisation, batch) -> mean over seeds and half of its 95% interval, which is 0 for one seed."""
    found: dict[tuple[str, int], list[float]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.normalisation, outcome.batch), []).append(getattr(outcome, field))
    return {cell: (seeds.mean, seeds.half or 0.0) for cell, seeds in ((c, interval(v)) for c, v in found.items())}


def figure(outcomes: Sequence[Outcome]) -> Figure:
    """Return test accuracy against batch size: a line a normalisation through the means, and a dot a seed.

    Dots rather than intervals: a network that has not begun to learn lies far from those that have, and no symmetric
    interval describes the two.
    """
    from coldframe.report.figures.style import INK, line_plot

    sizes = sorted({outcome.batch for outcome in outcomes})
    lines: dict[str, tuple[list[float], list[float | None]]] = {}
    each: list[list[list[float]]] = []
    for kind in dict.fromkeys(outcome.normalisation for outcome in outcomes):
        for name, field in [(str(kind), "running")] + [(OWN, "own")] * (kind == "batch"):
            mine = [[getattr(o, field) for o in outcomes if (o.normalisation, o.batch) == (kind, size)] for size in sizes]
            # A little beside each other, so that lines which agree are still told apart.
            lines[name] = ([i + 0.035 * (len(each) - 3) for i in range(len(sizes))], [fmean(v) if v else None for v in mine])
            each.append(mine)
    title = "Small batches (line: mean, dot: one seed)" if max(len(cell) for cell in each[0]) > 1 else "Small batches"
    drawn = line_plot(lines, title=title, x_label="batch size in training", y_label="test accuracy", percent=True)
    axes = drawn.axes[0]
    for line, cells in zip(list(axes.lines), each, strict=True):
        for x, cell in zip(np.asarray(line.get_xdata()), cells, strict=True):
            dots = {"s": 9, "color": line.get_color(), "alpha": 0.55, "linewidths": 0}
            axes.scatter([x] * len(cell), [100 * value for value in cell], **dots)
    axes.set_ylim(0, 100)
    if 1 in sizes and "batch" in lines:
        axes.text(0, 1, "batch normalisation\nrefuses a batch of 1", ha="left", va="bottom", fontsize=8, color=INK)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    return drawn
