"""Small batches against six ways to normalise: one small network, the same images, steps in proportion.

Run it with ``python -m coldframe.foundations.batch_norm.batch_sizes FOLDER``; figures measured by it stand in docs/mlp.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from coldframe import files
from coldframe.data import load_dataset
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError, nearest
from coldframe.types import Preprocess

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Normalisation = Literal["none", "batch", "layer", "group", "instance", "weight"]
SIZES = (1, 2, 8, 64)
PIXELS = Preprocess(size=28, resize=28, mean=(0.1307, 0.1307, 0.1307), std=(0.3081, 0.3081, 0.3081))
"""Mean and standard deviation of MNIST's training images."""


@dataclass(frozen=True)
class Outcome:
    """Test accuracy of one network.

    Args:
        normalisation: its kind.
        batch: B in training.
        seed: of the weights and the order.
        running: accuracy in evaluation mode; with batch normalisation from running averages.
        own: accuracy with the statistics of the test images themselves, in batches of ``batch``; equal to ``running`` without
            batch normalisation.
    """

    normalisation: Normalisation
    batch: int
    seed: int
    running: float
    own: float


def network(kind: Normalisation, seed: int = 0, classes: int = 10) -> nn.Sequential:
    """Return three convolutions of 8, 16 and 16 channels, stride 2, normalised by ``kind``, ReLU, and a classifier."""
    if kind not in get_args(Normalisation):
        raise InputError(f"unknown normalisation {kind!r}{nearest(kind, get_args(Normalisation))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for c_in, c_out in ((1, 8), (8, 16), (16, 16)):
            convolution: nn.Module = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1)
            if kind == "weight":
                convolution = nn.utils.parametrizations.weight_norm(convolution)
            layers += [convolution, _norm(kind, c_out), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 4 * 4, classes))


def _norm(kind: Normalisation, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    # Groups share a mean and a variance over their channels and all positions of one image.
    groups = {"layer": 1, "group": 4, "instance": channels}.get(kind)
    return nn.Identity() if groups is None else nn.GroupNorm(groups, channels)


def train_and_test(
    kind: Normalisation, batch: int, data: tuple[Tensor, Tensor, Tensor, Tensor], *, epochs: int, lr: float, seed: int
) -> Outcome:
    """Train by SGD with learning rate lr * batch / 64, so that all batch sizes see the same images and go equally far.

    Args:
        kind: the normalisation.
        batch: B.
        data: train images [N, 1, H, W], their labels [N], test images, their labels.
        epochs: passes over the training images.
        lr: learning rate of a batch of 64.
        seed: of the weights and the order.
    """
    x, labels, test, truth = data
    net = network(kind, seed)
    optimiser = torch.optim.SGD(net.parameters(), lr=lr * batch / 64)
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for rows in torch.split(order, batch):
            loss = nn.functional.cross_entropy(net(x[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    net.eval()
    with torch.no_grad():
        running = float((net(test).argmax(dim=1) == truth).float().mean())
        net.train()
        answers = torch.cat([net(part).argmax(dim=1) for part in torch.split(test, batch)]) if kind == "batch" else None
    own = running if answers is None else float((answers == truth).float().mean())
    return Outcome(kind, batch, seed, running, own)


def compare(
    *, sizes: Sequence[int] = SIZES, seeds: int = 1, epochs: int = 2, lr: float = 0.2, images: int | None = None
) -> list[Outcome]:
    """Train every normalisation at every batch size on mini:mnist (2,000 train, 1,000 test).

    Args:
        sizes: batch sizes.
        seeds: runs of each.
        epochs: passes over the training images.
        lr: learning rate of a batch of 64.
        images: training images; all when None.
    """
    if not sizes or min(sizes) < 1 or seeds < 1 or epochs < 1:
        raise InputError(f"expected numbers of 1 or more, found sizes={list(sizes)}, seeds={seeds} and epochs={epochs}")
    mnist = load_dataset("mini:mnist", val=0.01)
    data: list[Tensor] = []
    for split, n in ((mnist.train, images or len(mnist.train)), (mnist.test, len(mnist.test))):
        rows = np.random.default_rng(0).permutation(len(split))[:n]
        pixels = torch.from_numpy(load_pixels(split.images, rows, PIXELS)[:, :1]).float() / 255  # [N, 1, 28, 28]
        data += [(pixels - PIXELS.mean[0]) / PIXELS.std[0], torch.from_numpy(split.labels[rows])]
    tensors = (data[0], data[1], data[2], data[3])
    kinds: tuple[Normalisation, ...] = get_args(Normalisation)
    return [
        train_and_test(kind, size, tensors, epochs=epochs, lr=lr, seed=seed)
        for kind in kinds
        for size in sizes
        for seed in range(seeds)
    ]


def figure(outcomes: Sequence[Outcome]) -> Figure:
    """Return test accuracy against batch size: a line a normalisation, the mean over seeds."""
    from coldframe.report.drawing import line_plot

    sizes = sorted({outcome.batch for outcome in outcomes})
    lines: dict[str, tuple[list[float], list[float | None]]] = {}
    for kind in dict.fromkeys(outcome.normalisation for outcome in outcomes):
        for name, field in [(kind, "running")] + [("batch, own statistics", "own")] * (kind == "batch"):
            found = [[getattr(o, field) for o in outcomes if (o.normalisation, o.batch) == (kind, size)] for size in sizes]
            lines[name] = ([float(i) for i in range(len(sizes))], [float(np.mean(values)) for values in found])
    drawn = line_plot(lines, title="Small batches", x_label="batch size in training", y_label="test accuracy", percent=True)
    drawn.axes[0].set_xticks(range(len(sizes)), [str(size) for size in sizes])
    return drawn


if __name__ == "__main__":
    from coldframe.report.drawing import save_figure

    measured = compare()
    files.write_json(f"{sys.argv[1]}/batch-sizes.json", [asdict(outcome) for outcome in measured])
    save_figure(figure(measured), f"{sys.argv[1]}/batch-sizes.png")
