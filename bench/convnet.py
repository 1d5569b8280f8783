"""The exercise's small network: our training loop against a plain PyTorch loop with a DataLoader, images per second, in turns.

    python bench/convnet.py [--steps 20] [--turns 5] [--threads 1] [--network plain]

The plain loop is what most people write: a ``Dataset`` of PIL pictures with ``ToTensor`` and ``Normalize``, a shuffling
``DataLoader``, the same network with ``torch.nn.Mish``, AdamW, ``loss.item()`` at every step. It runs without workers and
with as many as there are cores. Ours keeps bytes in memory, normalises a batch at a time, and has its own Mish and
channels-last memory. Both start from the same weights and see the same pictures in the same order in the first turn, where the
losses are checked equal. The limit is the time of the convolutions alone, forward and backward, in the layout that is faster.

Printed are medians of images per second by the wall clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, ToTensor

from coldframe.foundations.convnet import COURSE, Mish, Pictures, build
from coldframe.foundations.convnet.networks import NetworkName
from coldframe.foundations.mlp.pictures import CIFAR, Examples
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine

BATCH = COURSE.batch


class Files(Dataset[tuple[Tensor, int]]):
    """Pictures as torchvision's CIFAR10 gives them: an array for each, made a PIL picture, then a tensor."""

    def __init__(self, examples: Examples) -> None:
        self.arrays = examples.x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
        self.labels = examples.labels.tolist()
        self.transform = Compose([ToTensor(), Normalize(CIFAR.mean, CIFAR.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[i])), self.labels[i]


def plain(name: NetworkName) -> nn.Module:
    """Return the network as torch would have it, default layout and torch's Mish, with the weights of seed 0."""
    network = build(name, 10, widths=())

    def swap(module: nn.Module) -> None:
        for key, child in module.named_children():
            if isinstance(child, Mish):
                setattr(module, key, nn.Mish())
            else:
                swap(child)

    swap(network)
    return network


def optimiser_of(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=COURSE.lr, weight_decay=COURSE.weight_decay)


def their_epoch(name: NetworkName, loader: DataLoader[Any]) -> list[float]:
    network, losses = plain(name), []
    optimiser = optimiser_of(network)
    for x, labels in loader:
        loss = nn.functional.cross_entropy(network(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def our_epoch(name: NetworkName, pictures: Pictures, order: Tensor) -> list[float]:
    network, losses = build(name, 10, widths=()).to(memory_format=torch.channels_last), []  # type: ignore[call-overload]
    optimiser = optimiser_of(network)
    for items in order.split(BATCH):
        loss = nn.functional.cross_entropy(network(pictures.whole(items)), pictures.labels[items])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def limit(layout: torch.memory_format, steps: int) -> float:
    """Return the seconds that the three convolutions of as many steps take, forward and backward."""
    total = 0.0
    for inputs, outputs, side, size, first in ((3, 32, 7, 32, True), (32, 64, 3, 13, False), (64, 64, 3, 11, False)):
        x = torch.randn(BATCH, inputs, size, size).contiguous(memory_format=layout).requires_grad_(not first)
        w = torch.randn(outputs, inputs, side, side).contiguous(memory_format=layout).requires_grad_()
        gradient = torch.ones_like(nn.functional.conv2d(x, w))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            torch.autograd.grad(nn.functional.conv2d(x, w), [w] if first else [x, w], gradient)
            times.append(time.perf_counter() - start)
        total += statistics.median(times)
    return total * steps


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", default="plain", choices=("plain", "batch-norm"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    n, name = options.steps * BATCH, options.network
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 3 * 32 * 32), dtype=np.uint8)
    examples = Examples(pixels, rng.integers(0, 10, n), tuple("abcdefghij"))
    pictures, files = Pictures.of(examples), Files(examples)
    in_order = DataLoader(files, BATCH)
    equal = list(zip(their_epoch(name, in_order), our_epoch(name, pictures, torch.arange(n)), strict=True))
    worst = max(abs(a - b) for a, b in equal[:10])
    assert worst < 5e-3, f"losses of the first ten steps differ by {worst:.2g}"

    ways: dict[str, Callable[[], object]] = {"ours": lambda: our_epoch(name, pictures, torch.randperm(n))}
    for workers in (0, torch.multiprocessing.cpu_count()):
        loader = DataLoader(files, BATCH, shuffle=True, num_workers=workers)
        ways[f"DataLoader, {workers} workers"] = lambda loader=loader: their_epoch(name, loader)  # type: ignore[misc]
    ways["convolutions alone"] = lambda: None
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.turns):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            spent = time.perf_counter() - start
            if way == "convolutions alone":
                spent = min(limit(layout, options.steps) for layout in (torch.channels_last, torch.contiguous_format))
            seconds[way].append(spent)
    print(machine(), f"{name}, {n:,} pictures a turn, {options.turns} turns; first losses equal to {worst:.1g}")
    print("| way | images/s, median | time over ours, median of turns |\n| --- | --- | --- |")
    for way, spent_in in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(spent_in, seconds["ours"], strict=True))
        print(f"| {way} | {n / statistics.median(spent_in):,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
