"""A comparison as it could have been, made up from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from coldframe.report import About, Curve, Detail, Table
from coldframe.results.fields import measured

METHODS = {
    "zero-shot": (0.69, 0.0, 0, 0),
    "linear-probe": (0.93, 1.1, 2565, 11e3),
    "knn": (0.90, 0.02, 0, 5.8e6),
    "pixel-prompt": (0.80, 240.0, 69840, 280e3),
    "deep-prompt": (0.94, 181.0, 6144, 25e3),
    "fine-tune": (0.95, 1860.0, 87_800_000, 351e6),
    "coop": (0.91, 95.0, 8192, 33e3),
    "cache-adapter": (0.92, 12.0, 1_500_000, 6e6),
    "lora": (0.95, 800.0, 147_456, 6e5),
    "bias-tune": (0.94, 700.0, 100_000, 4e5),
    "last-block": (0.95, 420.0, 7_100_000, 28.4e6),
    "prompt-ensemble": (0.72, 0.0, 0, 0),
}
"""method -> accuracy, training seconds, trained parameters, stored bytes."""


def build(methods: Sequence[str], seeds: int, n: int, classes: Sequence[str]) -> Table:
    generator, k = np.random.default_rng(0), len(classes)
    labels, hard = generator.integers(0, k, size=n), generator.random(n)
    about = About("ViT-B-32 (openai)", 87_849_216, "flowers", 2936, 367, n, classes, "cpu, 2 threads", "fp32", "0.1")
    about.choices, about.splits = "Chosen on val; test was read once.", "drawn with seed 0"
    about.settings, about.digests = {"linear-probe": "LinearProbe(l2='auto')"}, {"weights": "0f" * 16}
    table = Table(command="coldframe compare --data folder:flowers", machine={"device": "cpu", "threads": 2}, about=about)
    where = {"model": "open_clip:ViT-B-32/openai", "data": "folder:flowers"}
    for method in methods:
        accuracy, seconds, parameters, stored = METHODS[method]
        drawn = []
        for seed in range(seeds):
            logits = generator.normal(size=(n, k))
            difficulty = 0.8 * hard + 0.2 * generator.random(n)
            target = np.where(difficulty <= np.quantile(difficulty, accuracy), labels, (labels + 1) % k)
            logits[np.arange(n), target] += 5
            drawn.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
            found = measured(drawn[-1], labels) | {"n": n}
            costs = {"train_seconds": seconds, "latency_ms": 24.0, "trainable_parameters": parameters, "stored_bytes": stored}
            extra = {"noise_top1": 0.9 * found["top1"], "cold_seconds": 90.0, "peak_memory_mb": 420.0}
            table.add({"method": method, "seed": seed, "split": "test", **where, **found, **costs, **extra})
        curves = [
            Curve("Gaussian noise", [0, 0.1, 0.2], [accuracy, 0.9 * accuracy, 0.7 * accuracy], "standard deviation"),
            Curve("Training loss", [0, 1, 2], [2.0, None, 1.0], "epoch", "loss", "training"),
        ]
        table.details.append(Detail.of(method, drawn, labels, curves=curves, **where))
    table.pair()
    return table


FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
FIVE = ("zero-shot", "linear-probe", "pixel-prompt", "deep-prompt", "fine-tune")


@pytest.fixture
def make_table() -> Callable[..., Table]:
    def make(methods: Sequence[str] = FIVE, seeds: int = 2, n: int = 240, classes: Sequence[str] = FLOWERS) -> Table:
        return build(methods, seeds, n, classes)

    return make


@pytest.fixture
def all_methods() -> tuple[str, ...]:
    return tuple(METHODS)
