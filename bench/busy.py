"""One thread and two, on a quiet machine and beside one busy process: does a second thread ever make things worse?

    python bench/busy.py [--seconds 0.15] [--samples 5] [--spins 500]

Each way runs in a process of its own: one thread; two threads as a Python program that sets nothing has them; two threads as
the command line sets them (``coldframe.machine.waiting.wait_quietly``). The busy process is a loop in Python. Wall time,
medians of samples of several runs each. A sample during which anything else took more than a tenth of a core is left out; how
many are left is printed, and a median without any is marked ``~``. Where the system allows it, all of it runs at the highest
priority.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAYS = {"1 thread": 1, "2 threads, nothing set": 2, "2 threads, as the command line": 2}
_TICKS = os.sysconf("SC_CLK_TCK")
Sample = tuple[float, int, int]
"""Median seconds of a run, samples that count, samples taken."""


def paths() -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    import torch

    import coldframe
    from coldframe.cold.engines import tapped
    from coldframe.foundations.graphs import MeanConv, random_graph

    warnings.simplefilter("ignore")
    from torch_geometric.nn import SAGEConv

    graph = random_graph(50_000, 500_000, generator=torch.Generator().manual_seed(0))
    x = torch.randn(50_000, 64, requires_grad=True)
    ours, theirs = MeanConv(64, 64, bias=True), SAGEConv(64, 64)

    def forward(run: Callable[[], object]) -> Callable[[], object]:
        return torch.no_grad()(run)

    found: dict[str, Callable[[], object]] = {
        "sum over neighbours, ours": forward(lambda: ours(graph, x)),
        "sum over neighbours, PyG": forward(lambda: theirs(x, graph.arcs)),
        "training step, sum over neighbours, ours": lambda: ours(graph, x).square().mean().backward(),
    }
    for name, batch, chunk in (("lite0", 8, 32), ("pocket", 64, 128)):
        backbone = coldframe.load_backbone(name)
        side = backbone.preprocess.size
        images = torch.randn(batch, 3, side, side)
        pixels = torch.randint(0, 256, (chunk, 3, side, side), dtype=torch.uint8)
        learner = backbone.clone()
        learner.module.requires_grad_(True)
        found |= {
            f"{name}, forward in Python, {batch}": forward(lambda b=backbone, i=images: b.run(i)),
            f"{name}, cold pass, {chunk}": forward(lambda b=backbone, p=pixels: tapped(b, p, ["features"])),
            f"{name}, training step, {batch}": lambda b=learner, i=images: b.run(i).square().mean().backward(),
        }
    return found


def processor_seconds(pid: int | None = None) -> float:
    """Return what a process, or all of them together, has taken so far."""
    if pid is None:
        user, nice, system, _, _, interrupts, soft = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:8])
        return (user + nice + system + interrupts + soft) / _TICKS
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def sampled(run: Callable[[], object], known: list[int], samples: int, seconds: float) -> Sample:
    """Time one path until enough samples are undisturbed, at most four times as many."""
    run()
    good: list[float] = []
    taken: list[float] = []
    while len(good) < samples and len(taken) < 4 * samples:
        before, own, start, runs = processor_seconds(), sum(map(processor_seconds, known)), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            run()
            runs += 1
        wall = time.perf_counter() - start
        others = processor_seconds() - before - (sum(map(processor_seconds, known)) - own)
        taken.append(wall / runs)
        # the system counts in hundredths of a second
        if others < max(0.1 * wall, 2.5 / _TICKS):
            good.append(wall / runs)
    return statistics.median(good or taken), len(good), len(taken)


def worker(way: str, samples: int, seconds: float) -> None:
    """Time every path, idle and then beside a busy process; print the result as JSON."""
    import torch

    from coldframe.machine.allocator import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(WAYS[way])
    runs, found = paths(), {}
    found["idle"] = {name: sampled(run, [os.getpid()], samples, seconds) for name, run in runs.items()}
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
        try:
            found["busy"] = {name: sampled(run, [os.getpid(), rival.pid], samples, seconds) for name, run in runs.items()}
        finally:
            rival.kill()
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.15, help="least length of a sample")
    parser.add_argument("--spins", type=int, help="GOMP_SPINCOUNT of the last way, to try others")
    parser.add_argument("--way", choices=WAYS, help="one of them alone, as JSON")
    options = parser.parse_args()
    if options.way is not None:
        worker(options.way, options.samples, options.seconds)
        return
    from coldframe.machine.waiting import SPINS
    from coldframe.measures.hardware import machine

    about = machine()
    spins = SPINS if options.spins is None else options.spins
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        priority = "highest priority"
    except PermissionError:
        priority = "usual priority"
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    found: dict[str, Any] = {}
    for way in WAYS:
        given = {"GOMP_SPINCOUNT": str(spins)} if "command line" in way else {}
        command = [sys.executable, __file__, "--way", way, "--samples", str(options.samples), "--seconds", str(options.seconds)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=plain | given)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    print(f"{about['cpu']}, {about['cores']} cores, torch {about['torch']}, {priority}; GOMP_SPINCOUNT={spins} last;")
    print(f"ms, medians of up to {options.samples} samples; in brackets the ratio to one thread in the same state\n")
    print("| path | " + " | ".join(f"{way}, {state}" for way in WAYS for state in ("idle", "beside")) + " |")
    print("| --- " * (1 + 2 * len(WAYS)) + "|")
    one = found["1 thread"]
    counted, total = 0, 0
    for name in one["idle"]:
        cells = []
        for way in WAYS:
            for state in ("idle", "busy"):
                median, good, taken = found[way][state][name]
                counted, total = counted + good, total + taken
                ratio = f" ({median / one[state][name][0]:.2f})" if way != "1 thread" else ""
                cells.append(f"{'' if good else '~'}{1e3 * median:.0f}{ratio}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\n{counted} of {total} samples were undisturbed and counted.")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
