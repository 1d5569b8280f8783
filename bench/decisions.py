"""How often a decision rule recommends a method that is worse than the best by more than the margin.

    python bench/decisions.py [--runs runs/a runs/b] [--draws 10000] [--margin 1] [--seed 0]

Each run is a folder that ``coldframe compare --seeds S --out`` wrote, S of at least 2. Its accuracies are taken for the true
ones, and comparisons are drawn from them: an answer is right where a Gaussian stays below a threshold; the Gaussians of one
image are correlated between methods and between seeds of a method as those answers were (tetrachoric), and each seed
moves the threshold as the seeds did. A draw has as many images and seeds as the run had; the line "in 5 folds" has all images
that have labels, each a test image once, with thresholds that move by fold. Besides, methods of random accuracies within 5
points are drawn on 100, 400, 2,000 and 20,000 images.

Printed are, for the rule and for the one that it replaced (the shortest training among those whose interval to the best
includes 0): how often the recommended method is worse than the best by more than the margin; how far it is behind in the mean;
how often the rule says that it is sure, and how often it is wrong then.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from coldframe import load_dataset
from coldframe.files import read_safetensors
from coldframe.measures import Candidate, decide, paired

Array = NDArray[np.float64]
SIZES = (100, 400, 2_000, 20_000)
"""Test images of the random worlds."""


@dataclass(frozen=True)
class World:
    """Methods with known accuracies.

    Args:
        name: of the world.
        accuracies: true top-1 [M].
        shared: covariance of what a method's runs have in common on an image [M, M]; the rest to variance 1 is their own.
        shifts: standard deviation of a seed's threshold [M].
        costs: milliseconds an image in use, bytes, seconds of training, one row per method [M, 3].
        n: test images.
        seeds: runs of each method.
        folds: parts of the images, each with a training of its own; 1 where the test images are always the same.
    """

    name: str
    accuracies: Array
    shared: Array
    shifts: Array
    costs: Array
    n: int
    seeds: int
    folds: int = 1

    def draw(self, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Return answers that are right [M, S, N]."""
        values, vectors = np.linalg.eigh(self.shared)
        root = vectors * np.sqrt(values.clip(min=0))
        common = root @ generator.standard_normal((len(self.accuracies), self.n))  # [M, N]
        own = np.sqrt(np.clip(1 - np.diag(self.shared), 0, None))[:, None, None]
        alone = own * generator.standard_normal((len(self.accuracies), self.seeds, self.n))
        thresholds = norm.ppf(self.accuracies) * np.sqrt(1 + self.shifts**2)  # a shift spreads answers: this keeps the mean
        shifts = generator.standard_normal((len(self.accuracies), self.seeds, self.folds))
        moved = thresholds[:, None, None] + self.shifts[:, None, None] * shifts
        return np.asarray(common[:, None] + alone < moved[..., np.arange(self.n) % self.folds])


def correlation(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the tetrachoric correlation of two lists of answers, every run of one against every run of the other."""
    pa, pb = a.mean(), b.mean()
    both = float((a.mean(0) * b.mean(0)).mean())
    if a is b:  # a run against itself would say 1
        pairs = [float((a[i] & a[j]).mean()) for i, j in itertools.combinations(range(len(a)), 2)]
        both = float(np.mean(pairs))
    x, y = norm.ppf(pa), norm.ppf(pb)

    def excess(rho: float) -> float:
        return float(multivariate_normal.cdf([x, y], cov=[[1, rho], [rho, 1]])) - both

    if excess(-0.99) >= 0:
        return -0.99
    return 0.99 if excess(0.99) <= 0 else float(brentq(excess, -0.99, 0.99, xtol=1e-4))


def measured(folder: Path) -> list[World]:
    """Return the world of a finished comparison with several seeds, and that of the same methods in five folds."""
    results = json.loads((folder / "results.json").read_text())
    rows = [row for row in results["rows"] if "ci95" not in row]
    data = load_dataset(rows[0]["data"], seed=0)
    labels, labelled = data.test.labels, sum(len(split) for split in data.splits)
    right: dict[str, list[NDArray[np.bool_]]] = {}
    for path in sorted(found.parent for found in (folder / "fits").glob("*/result.json")):
        row = json.loads((path / "result.json").read_text())["row"]
        if any(row["method"] == other["method"] and row["seed"] == other["seed"] for other in rows):
            tensors, _ = read_safetensors(path / "predictions.safetensors")
            right.setdefault(row["method"], []).append(tensors["probabilities"].numpy().argmax(1) == labels)
    names = list(right)
    answers = {name: np.stack(right[name]) for name in names}
    shared = np.array([[correlation(answers[a], answers[b]) for b in names] for a in names])
    accuracies = np.array([answers[name].mean() for name in names])
    seeds = min(len(found) for found in answers.values())
    spread = np.array([answers[name].mean(1).std(ddof=1) for name in names])
    shifts = spread / norm.pdf(norm.ppf(accuracies))
    fields = ("latency_ms", "stored_bytes", "train_seconds")
    costs = np.array([[_mean(rows, name, field) for field in fields] for name in names])
    for name, accuracy, tau in zip(names, accuracies, shifts, strict=True):
        print(f"  {folder.name}: {name} {100 * accuracy:.1f}%, a seed moves it by {100 * spread[names.index(name)]:.1f} points")
        assert np.isfinite(tau), "an accuracy of 0 or 1 has no threshold"
    off = shared[~np.eye(len(names), dtype=bool)]
    print(f"  correlation of methods {off.min():.2f} to {off.max():.2f}, of seeds at least {np.diag(shared).min():.2f}")
    world = World(folder.name, accuracies, shared, shifts, costs, len(labels), seeds)
    return [world, replace(world, name=f"{folder.name}, in 5 folds", n=labelled, seeds=1, folds=5)]


def _mean(rows: list[dict[str, float]], name: str, field: str) -> float:
    values = [row[field] for row in rows if row["method"] == name and row[field] is not None]
    return float(np.mean(values)) if values else 0.0


def invented(n: int, generator: np.random.Generator, methods: int = 5, seeds: int = 3) -> Iterator[World]:
    """Yield worlds of random accuracies within 5 points below 90%, of correlations as real comparisons have them."""
    shared = np.full((methods, methods), 0.7) + np.eye(methods) * 0.15
    while True:
        costs = np.stack([generator.uniform(*ends, methods) for ends in ((5, 50), (1e3, 1e6), (0.1, 100))], axis=1)
        accuracies = 0.9 - 0.05 * generator.random(methods)
        yield World(f"random, {n:,} images", accuracies, shared, np.full(methods, 0.05), costs, n, seeds)


def replaced(right: NDArray[np.bool_], costs: Array) -> int:
    """Return what the former rule recommends: the shortest training whose interval to the best, over images, includes 0."""
    means, each = right.mean((1, 2)), right.mean(1)  # [M], [M, N]
    best = int(np.lexsort((costs[:, 2], -means))[0])
    gaps = each - each[best]
    halves = norm.ppf(0.975) * gaps.std(axis=1) / math.sqrt(gaps.shape[1])
    able = [m for m in range(len(means)) if m == best or abs(gaps[m].mean()) <= halves[m]]
    return min(able, key=lambda m: (costs[m, 2], costs[m, 1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="*", type=Path, default=[])
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--margin", type=float, default=1.0, help="points")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    margin = asked.margin / 100
    kept = [world for folder in asked.runs for world in measured(folder)]
    generators = [np.random.default_rng(asked.seed) for _ in range(len(kept) + len(SIZES))]  # a world's rows need no other
    worlds: list[Iterator[World]] = [itertools.repeat(world) for world in kept]
    worlds += [invented(n, generator) for n, generator in zip(SIZES, generators[len(kept) :], strict=True)]
    print("| world | images | rule: too low | behind, points | sure | too low when sure | replaced: too low | behind, points |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for source, generator in zip(worlds, generators, strict=True):
        wrong = behind = sure = wrong_sure = old_wrong = old_behind = 0.0
        draws = asked.draws
        for world in itertools.islice(source, draws):
            right = world.draw(generator)
            lines = [Candidate(m, float(right[m].mean()), *world.costs[m]) for m in range(len(right))]

            def interval(a: int, b: int, right: NDArray[np.bool_] = right) -> tuple[float, float]:
                found = paired(right[a], right[b])
                return found.low, found.high

            found = decide(lines, interval, margin=margin)
            top = world.accuracies.max()
            gap = float(top - world.accuracies[found.pick])
            wrong, behind, sure = wrong + (gap > margin), behind + gap, sure + found.sure
            wrong_sure += found.sure and gap > margin
            gap = float(top - world.accuracies[replaced(right, world.costs)])
            old_wrong, old_behind = old_wrong + (gap > margin), old_behind + gap
        when = f"{100 * wrong_sure / sure:.1f}%" if sure else "-"
        print(
            f"| {world.name} | {world.n:,} | {100 * wrong / draws:.1f}% | {100 * behind / draws:.2f} | "
            f"{100 * sure / draws:.0f}% | {when} | {100 * old_wrong / draws:.1f}% | {100 * old_behind / draws:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
