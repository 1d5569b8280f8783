"""What keeping freed memory gains: a frozen forward and a training step with and without it, in turns, in fresh processes.

    python bench/allocator.py [--model lite0] [--threads 1] [--pairs 5]

Processor time an image, which other work on the machine disturbs little; the wall clock beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

WORK = """
import json, sys, time, torch, coldframe
from coldframe.machine.allocator import keep_freed_memory
kept, model, threads = sys.argv[1] == "kept", sys.argv[2], int(sys.argv[3])
if kept:
    assert keep_freed_memory()
torch.set_num_threads(threads)
backbone = coldframe.load_backbone(model)
found = {}
for batch in (8, 64):
    x = torch.randn(batch, 3, backbone.preprocess.size, backbone.preprocess.size)
    with torch.inference_mode():
        backbone.run(x)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(64 // batch):
            backbone.run(x)
    found[f"forward, batches of {batch}"] = [(time.perf_counter() - wall) / 64e-3, (time.process_time() - cpu) / 64e-3]
learner = backbone.clone()
learner.module.requires_grad_(True)
x = torch.randn(32, 3, backbone.preprocess.size, backbone.preprocess.size)
learner.run(x).square().mean().backward()
wall, cpu = time.perf_counter(), time.process_time()
learner.run(x).square().mean().backward()
found["training step, batch of 32"] = [(time.perf_counter() - wall) / 32e-3, (time.process_time() - cpu) / 32e-3]
print(json.dumps(found))
"""


def main() -> None:
    """Run both ways in turns and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    runs: dict[str, list[dict[str, list[float]]]] = {"plain": [], "kept": []}
    start = time.perf_counter()
    for _ in range(options.pairs):
        for way, found in runs.items():
            command = [sys.executable, "-c", WORK, way, options.model, str(options.threads)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    spent = time.perf_counter() - start
    print(f"{options.model}, fp32, {options.threads} thread(s), medians of {options.pairs} turns, {spent:.0f} s\n")
    print("| ms per image | plain, CPU | kept, CPU | gain, CPU | plain, wall | kept, wall |")
    print("| --- | --- | --- | --- | --- | --- |")
    for what in runs["plain"][0]:
        pw, pc, kw, kc = (statistics.median(run[what][i] for run in runs[way]) for way in ("plain", "kept") for i in (0, 1))
        print(f"| {what} | {pc:.1f} | {kc:.1f} | {pc / kc:.2f} x | {pw:.1f} | {kw:.1f} |")


if __name__ == "__main__":
    main()
