"""An epoch of the perceptron in NumPy beside scikit-learn's, and beside the matrix products alone, in one run.

    python bench/mlp.py [--data parquet:../shared/data/cifar10] [--threads 1] [--epochs 7]

3072-128-10, batches of 128, SGD without momentum, float32, 45,000 images of CIFAR-10. Ours reads the images as bytes and
normalises each batch, as ``coldframe train mlp`` does. scikit-learn is given ready floats, checked before the clock starts, has
ReLU, which is cheaper than our ELU, no penalty, and no early stopping. The GEMM limit is the five matrix products of each
batch (two forward, two for the gradients of the weights, one for the gradient of the hidden layer) on ready floats, written
into arrays that are there already. The three take turns of a fifth of an epoch, so that a slow moment meets all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

from coldframe.data import load_dataset
from coldframe.foundations.mlp import MLP, SGD, train_step
from coldframe.foundations.mlp.pictures import Examples, read
from coldframe.machine.allocator import keep_freed_memory

HIDDEN, BATCH, LR = 128, 128, 0.1
PARTS = 5


def ours(data: Examples) -> Callable[[slice], object]:
    """Return a pass of the NumPy network over a part of the rows, from bytes."""
    network = MLP(data.x.shape[1], [HIDDEN], len(data.classes), dtype=np.float32)
    optimiser = SGD(network.parameters, network.gradients, LR)
    generator = np.random.default_rng(0)
    everything = generator.permutation(len(data))

    def run(part: slice) -> None:
        order = everything[part]
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            train_step(network, optimiser, data.batch(rows, np.float32), data.labels[rows])

    return run


def sklearns(x: np.ndarray, labels: np.ndarray) -> Callable[[slice], object]:
    """Return a pass of scikit-learn's network over a part of the floats [N, D]."""
    from sklearn import config_context
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (HIDDEN,), solver="sgd", alpha=0.0, batch_size=BATCH, learning_rate_init=LR, momentum=0.0, nesterovs_momentum=False,
        random_state=0,
    )  # fmt: skip
    classes = np.unique(labels)

    def run(part: slice) -> None:
        with config_context(assume_finite=True):
            model.partial_fit(x[part], labels[part], classes=classes)

    return run


def products(x: np.ndarray, classes: int) -> Callable[[slice], object]:
    """Return the matrix products of a pass over a part of the floats [N, D]."""
    generator = np.random.default_rng(0)
    first, second, dh, do = (
        generator.standard_normal(shape, np.float32)
        for shape in ((HIDDEN, x.shape[1]), (classes, HIDDEN), (BATCH, HIDDEN), (BATCH, classes))
    )
    h, o, d_first, d_second = np.empty_like(dh), np.empty_like(do), np.empty_like(first), np.empty_like(second)

    def run(part: slice) -> None:
        for i in range(part.start, part.stop, BATCH):
            rows = x[i : min(i + BATCH, part.stop)]
            n = len(rows)
            np.matmul(rows, first.T, out=h[:n])
            np.matmul(h[:n], second.T, out=o[:n])
            np.matmul(do[:n].T, h[:n], out=d_second)
            np.matmul(do[:n], second, out=dh[:n])
            np.matmul(dh[:n].T, rows, out=d_first)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="parquet:../shared/data/cifar10")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=7)
    settings = parser.parse_args()
    keep_freed_memory()
    warnings.simplefilter("ignore")
    from threadpoolctl import threadpool_limits

    train = load_dataset(settings.data, val=0.1, seed=42).train
    data = read(train)
    x = data.batch(slice(None), np.float32)  # [N, D]
    runs = {"GEMM limit": products(x, len(data.classes)), "coldframe": ours(data), "scikit-learn": sklearns(x, data.labels)}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    with threadpool_limits(settings.threads):
        for turn in range(PARTS * settings.epochs + 1):
            start_row = turn % PARTS * (len(data) // PARTS)
            part = slice(start_row, start_row + len(data) // PARTS)
            for name, run in runs.items():
                start = time.perf_counter(), time.process_time()
                run(part)
                if turn:
                    wall[name].append(PARTS * (time.perf_counter() - start[0]))
                    cpu[name].append(PARTS * (time.process_time() - start[1]))
    turns = len(wall["coldframe"])
    print(f"{len(data):,} images, {settings.threads} thread(s), float32, s an epoch, medians of {turns} turns\n")
    print("| | wall | against coldframe | processor | against coldframe |\n| --- | --- | --- | --- | --- |")
    found = {}
    for name in runs:
        # Ratios of the same turn, because the machine's speed changes from turn to turn.
        ratios = [statistics.median(a / b for a, b in zip(t[name], t["coldframe"], strict=True)) for t in (wall, cpu)]
        times = [statistics.median(t[name]) for t in (wall, cpu)]
        print(f"| {name} | {times[0]:.2f} | {ratios[0]:.2f} | {times[1]:.2f} | {ratios[1]:.2f} |")
        found[name] = {"wall": times[0], "cpu": times[1], "wall_ratio": ratios[0], "cpu_ratio": ratios[1]}
    print(f"\n{json.dumps(found)}")


if __name__ == "__main__":
    main()
