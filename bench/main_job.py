"""The main job's costs side by side in one run: cold pass, bare forward, probe, and the straightforward way.

    python bench/main_job.py [--n 3000] [--threads 2] [--pairs 7] [--chunk 64]

1. The cold pass from image files against the bare forward on ready tensors, in turns on the same images; the bare forward in
   the same pieces and in batches of 64. Medians of the wall clock, and of the processor's time, which a shared machine
   disturbs less.
2. The linear probe with its whole regulariser path against its own cold pass, and against 30 epochs of the straightforward
   way: a forward of every image in every epoch with only the head trained. What one epoch costs is the median of the bare
   forward above in its faster batch plus decoding; the head's steps are run in full, on the same features, for the accuracy.
3. ``coldframe --help``, in processor time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from coldframe import ColdPass, LinearProbe, load_backbone, load_dataset
from coldframe.cold import Store
from coldframe.cold.activations import decoded
from coldframe.files import data_root
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.training import Recipe, train

EPOCHS = 30


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def in_turns(runs: dict[str, Callable[[], object]], pairs: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each run, taking turns, after one round that does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for round_ in range(pairs + 1):
        for name, run in runs.items():
            seconds = timed(run)
            if round_:
                found[name].append(seconds)
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    return {name: (wall, cpu) for name, (wall, cpu) in medians.items()}


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000, help="images of the probe and its pass")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--chunk", type=int, default=64, help="images of one turn")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    root = data_root()
    real = root is not None and (root / "caltech101").is_dir()
    data = load_dataset(f"folder:{root / 'caltech101'}" if real and root is not None else "mini:caltech7")
    backbone = load_backbone("lite0")
    about = machine()
    where = "caltech101" if real else "mini:caltech7"
    print(f"lite0, fp32, {where}; {about['cpu']}, {about['threads']} threads, torch {about['torch']}")

    chunk = data.train.subset(range(min(settings.chunk, len(data.train))))
    ready = backbone.normalise(decoded(chunk, backbone, 2)(torch.arange(len(chunk))))

    def passed() -> None:
        with tempfile.TemporaryDirectory() as folder:
            ColdPass(Store(folder)).prepare(backbone, [chunk], [("features", "plain")])

    def bare(size: int) -> Callable[[], None]:
        @torch.inference_mode()
        def run() -> None:
            for batch in ready.split(size):
                backbone.run(batch)

        return run

    runs = {"cold pass from files": passed, "bare forward, batches of 8": bare(8), "bare forward, batches of 64": bare(64)}
    found = in_turns(runs, settings.pairs)
    heads = ("images/s", "ms/image", "CPU ms/image", "pass/bare", "by CPU")
    print(f"\n1. cold pass ({settings.pairs} turns of {len(chunk)} images)")
    print(" " * 32 + " ".join(f"{head:>12}" for head in heads))
    pass_wall, pass_cpu = found["cold pass from files"]
    for name, (wall, cpu) in found.items():
        n = len(chunk)
        values = (n / wall, 1e3 * wall / n, 1e3 * cpu / n, wall / pass_wall, cpu / pass_cpu)
        print(f"{name:32}" + " ".join(f"{value:12.2f}" for value in values))

    few = min(settings.n * 4 // 5, len(data.train))
    some = data.train.subset(torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:few].numpy())
    val = data.val.subset(np.linspace(0, len(data.val) - 1, min(settings.n - few, len(data.val))).astype(int))
    test = data.test.subset(np.linspace(0, len(data.test) - 1, min(settings.n // 2, len(data.test))).astype(int))
    with tempfile.TemporaryDirectory() as folder:
        cold = ColdPass(Store(folder))
        _, pass_seconds = timed(lambda: cold.prepare(backbone, [some, val], [("features", "plain")]))
        probe = LinearProbe(backbone)
        _, probe_seconds = timed(lambda: probe.fit(some, val=val, cold=cold))
        features = cold.activations(backbone, some, "features").gather(torch.arange(len(some)))
        labels = torch.from_numpy(some.labels)
        seen = cold.activations(backbone, test, "features").gather(torch.arange(len(test)))
        shapes = {"w": (len(data.classes), features.shape[1]), "b": (len(data.classes),)}
        head = {name: torch.zeros(shape, requires_grad=True) for name, shape in shapes.items()}

        def loss(items: torch.Tensor, epoch: int) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(features[items] @ head["w"].T + head["b"], labels[items])

        recipe = Recipe(epochs=EPOCHS, batch_size=64, lr=1e-3, optimiser="adamw")
        _, head_seconds = timed(lambda: train(head, loss, len(some), recipe))
        plain = float(((seen @ head["w"].T + head["b"]).argmax(1) == torch.from_numpy(test.labels)).float().mean())
        top1 = probe.score(test, cold=cold)
    seen_images = EPOCHS * len(some) + len(val)  # the straightforward way reads the validation images once
    bare_image = min(found[name][1] for name in found if name.startswith("bare")) / len(chunk)
    epochs, from_files = (seen_images * each + head_seconds for each in (bare_image, pass_cpu / len(chunk)))
    print(f"\n2. probe: {len(some):,} training and {len(val):,} validation images, top-1 on {len(test):,} test images")
    ours, share = pass_seconds + probe_seconds, probe_seconds / pass_seconds
    print(f"cold pass {pass_seconds:.1f} s; probe with its path {probe_seconds:.2f} s, {share:.1%} of it")
    print(f"{EPOCHS} epochs straight on ready tensors {epochs:.0f} s, {epochs / ours:.1f} times pass and probe together")
    print(f"{EPOCHS} epochs straight from files {from_files:.0f} s, {from_files / ours:.1f} times")
    print(f"top-1: probe {top1:.3f}, straight {plain:.3f}")

    helped = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = "from coldframe.cli import main; main(['--help'])"
        subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        helped.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"\n3. coldframe --help: {statistics.median(helped):.3f} s of processor time (median of 5)")


if __name__ == "__main__":
    main()
