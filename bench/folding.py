"""What folding batch normalisation into the layers before it gains: the same network with and without, in turns, in one run.

    python bench/folding.py [--models lite0 torchvision:resnet18] [--batches 1 16] [--threads 1] [--turns 9]

Medians of the wall clock and of the processor's time for a forward pass without gradients, and of the ratio of neighbouring
turns. Before the clock starts the outputs are compared: the largest difference as a share of the largest output must stay
below 1e-5. The weights do not matter for the time; where they are not at hand, ``/random`` behind a model's name takes others.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe import load_backbone
from coldframe.allocator import keep_freed_memory
from coldframe.foundations.batch_norm import fold_batch_norm

TOLERANCE = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["lite0", "torchvision:resnet18"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=9)
    settings = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    print(f"fp32, {settings.threads} thread(s), ms an image, medians of {settings.turns} turns\n")
    print("| model | batch | wall, as it is | folded | gain | processor, as it is | folded | gain | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in settings.models:
        backbone = load_backbone(name)
        net = backbone.module.eval()
        folded = fold_batch_norm(net)
        assert not any(isinstance(part, _BatchNorm) for part in folded.modules())
        for batch in settings.batches:
            size = backbone.preprocess.size
            x = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
            # A batch of one is over quickly, so it is repeated within a turn.
            repeats = max(1, 8 // batch)
            times: dict[str, list[tuple[float, float]]] = {"plain": [], "folded": []}
            with torch.inference_mode():
                before, after = net(x), folded(x)
                difference = float((after - before).abs().max() / before.abs().max())
                assert difference < TOLERANCE, difference
                for _ in range(settings.turns):
                    for way, module in (("plain", net), ("folded", folded)):
                        wall, cpu = time.perf_counter(), time.process_time()
                        for _ in range(repeats):
                            module(x)
                        per_image = 1e3 / (repeats * batch)
                        times[way].append(((time.perf_counter() - wall) * per_image, (time.process_time() - cpu) * per_image))
            cells = []
            for clock in (0, 1):
                plain, fold = ([turn[clock] for turn in times[way]] for way in ("plain", "folded"))
                gain = statistics.median(a / b for a, b in zip(plain, fold, strict=True))
                cells += [f"{statistics.median(plain):.1f}", f"{statistics.median(fold):.1f}", f"{gain:.2f} x"]
            print(f"| {name} | {batch} | {' | '.join(cells)} | {difference:.0e} |", flush=True)


if __name__ == "__main__":
    main()
