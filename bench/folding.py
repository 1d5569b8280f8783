"""What a convolutional network gains on a CPU by weights that lie channels last, and by folding batch normalisation besides.

    python bench/folding.py [--models lite0 torchvision:resnet18] [--batches 1 16] [--threads 1] [--turns 9]

Three networks take turns in one run: in torch's usual layout, channels last, which is how coldframe loads it, and that folded.
Printed are medians of the wall clock and of the processor's time for a forward pass without gradients, and of the ratio of
neighbouring turns: channels last to the usual layout, folded to channels last. Before that the outputs are compared:
the largest difference as a share of the largest output must stay below 1e-5. The weights do not matter for the time; where they
are not at hand, ``/random`` behind a model's name takes others.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe import load_backbone
from coldframe.folding import fold_batch_norm
from coldframe.machine.allocator import keep_freed_memory

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
    print(f"fp32, {settings.threads} thread(s), ms per image, medians of {settings.turns} turns\n")
    print("| model | batch | clock | usual layout | channels last | gain | folded besides | gain | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in settings.models:
        backbone = load_backbone(name)
        last = backbone.module.eval()
        usual = copy.deepcopy(last).to(memory_format=torch.contiguous_format)
        folded = fold_batch_norm(last)
        assert not any(isinstance(part, _BatchNorm) for part in folded.modules())
        ways = {"usual": usual, "last": last, "folded": folded}
        for batch in settings.batches:
            size = backbone.preprocess.size
            x = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
            # A batch of one is over quickly, so it is repeated within a turn.
            repeats = max(1, 8 // batch)
            times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            with torch.inference_mode():
                before = usual(x)
                difference = max(float((net(x) - before).abs().max() / before.abs().max()) for net in (last, folded))
                assert difference < TOLERANCE, difference
                for _ in range(settings.turns):
                    for way, net in ways.items():
                        wall, cpu = time.perf_counter(), time.process_time()
                        for _ in range(repeats):
                            net(x)
                        per_image = 1e3 / (repeats * batch)
                        times[way].append(((time.perf_counter() - wall) * per_image, (time.process_time() - cpu) * per_image))
            for clock, called in enumerate(("wall", "processor")):
                column = {way: [turn[clock] for turn in turns] for way, turns in times.items()}
                gains = [
                    statistics.median(a / b for a, b in zip(column[slow], column[fast], strict=True))
                    for slow, fast in (("usual", "last"), ("last", "folded"))
                ]
                middle = {way: f"{statistics.median(values):.1f}" for way, values in column.items()}
                cells = [middle["usual"], middle["last"], f"{gains[0]:.2f}", middle["folded"], f"{gains[1]:.2f}"]
                print(f"| {name} | {batch} | {called} | {' | '.join(cells)} | {difference:.0e} |", flush=True)


if __name__ == "__main__":
    main()
