"""The mean convolution beside PyTorch Geometric's SAGEConv, on the same graph, threads and features, in one run.

    python bench/graphs.py                  ratio, time per edge from 10^5 to 10^7 edges, the million-node graph
    python bench/graphs.py --quick          the ratio alone

Repetitions take turns (ours, theirs, ours, theirs, ...), so that a slow moment of the machine meets both; the medians and their
ratio are printed, with the number of repetitions. The memory-bandwidth limit is measured in the same run: a pass must at least
read one row of features for each edge, forward and backward, at the speed at which memory is copied (STREAM's copy); rows that
are still in the processor's cache come faster, so small graphs may beat it. Beside it stand the sums over neighbours alone,
both ways along the edges: the same reads in the same random order, without weights, products or gradients.

Kernels for the sum over neighbours are compared as well, which is why the layer uses the one it does.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from coldframe import files
from coldframe.foundations.graphs import Graph, MeanConv, random_graph
from coldframe.foundations.graphs.convolution import mean_weights
from coldframe.machine.allocator import keep_freed_memory

WIDTH = 64


def repeated(
    runs: dict[str, Callable[[], object]], repetitions: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the median seconds of each run, their repetitions taking turns, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if repetition:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def copying() -> tuple[Callable[[], object], int]:
    """Return a copy of 256 MB, and the bytes that it reads and writes."""
    source = torch.randn(64 * 2**20)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2 * source.numel() * 4


def step(layer: Any, *arguments: Any, features: torch.Tensor) -> Callable[[], None]:
    """Return one forward and backward pass, gradients of the features and all weights included."""

    def run() -> None:
        features.grad = None
        layer.zero_grad(set_to_none=True)
        layer(*arguments).sum().backward()

    return run


def against_pyg(graph: Graph, repetitions: int, clock: Callable[[], float]) -> dict[str, float]:
    """Time one layer of each on the same graph, after checking that they agree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import SAGEConv

        theirs = SAGEConv(WIDTH, WIDTH, aggr="mean", root_weight=True, bias=True)
    ours = MeanConv(WIDTH, WIDTH, bias=True)
    with torch.no_grad():
        theirs.lin_l.weight.copy_(ours.W)
        theirs.lin_l.bias.zero_()
        theirs.lin_r.weight.copy_(ours.B)
    x = torch.randn(graph.n, WIDTH, generator=torch.Generator().manual_seed(1), requires_grad=True)
    y = x.detach().clone().requires_grad_()
    ours_step, theirs_step = step(ours, graph, x, features=x), step(theirs, y, graph.arcs, features=y)
    ours_step()
    theirs_step()
    assert x.grad is not None and y.grad is not None
    with torch.no_grad():
        difference = max(float((ours(graph, x) - theirs(y, graph.arcs)).abs().max()), float((x.grad - y.grad).abs().max()))
    found = repeated({"ours": ours_step, "pyg": theirs_step}, repetitions, clock)
    return found | {"ratio": found["pyg"] / found["ours"], "largest_difference": difference}


def kernels(graph: Graph, repetitions: int) -> dict[str, float]:
    """Time the ways torch has to sum over neighbours, forward alone."""
    n, sources = graph.n, graph.arcs[0]
    rows, values = graph.rows, mean_weights(graph, torch.float32)
    x = torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        csr32 = torch.sparse_csr_tensor(rows.pointers, rows.columns, values, (n, n))
        csr64 = torch.sparse_csr_tensor(rows.pointers.long(), rows.columns.long(), values, (n, n))
    long_pointers = rows.pointers.long()
    return repeated(
        {
            "embedding_bag, int32": lambda: F.embedding_bag(
                rows.columns, x, rows.pointers, mode="sum", include_last_offset=True, per_sample_weights=values
            ),
            "sparse.mm with reduce, int64": lambda: torch.sparse.mm(csr64, x, "sum"),
            "CSR @ dense (MKL), int32": lambda: csr32 @ x,
            "CSR @ dense (MKL), int64": lambda: csr64 @ x,
            "gather + index_add": lambda: torch.zeros(n, WIDTH).index_add_(0, graph.arcs[1], x[sources] * values[:, None]),
            "gather + segment_reduce": lambda: torch.segment_reduce(
                x[sources] * values[:, None], "sum", offsets=long_pointers, axis=0
            ),
        },
        repetitions,
    )


def per_edge(edges: int, nodes: int, repetitions: int, clock: Callable[[], float]) -> dict[str, float]:
    """Time one layer at a size, in turns with copies of memory, and say what memory alone takes for the rows it must read."""
    graph = random_graph(nodes, edges, generator=torch.Generator().manual_seed(0))
    layer = MeanConv(WIDTH, WIDTH, bias=True)
    x = torch.randn(nodes, WIDTH, requires_grad=True)
    copy, copied = copying()
    both = (graph.rows, graph.rows.transpose[0])

    def neighbours() -> None:
        for rows in both:
            F.embedding_bag(rows.columns, x.detach(), rows.pointers, mode="sum", include_last_offset=True)

    found = repeated({"step": step(layer, graph, x, features=x), "reads": neighbours, "copy": copy}, repetitions, clock)
    seconds, bandwidth = found["step"], copied / found["copy"]
    arcs = graph.arcs.shape[1]
    moved = 2 * arcs * (WIDTH * 4 + 8)  # forward and backward: a row of features, an index and a weight for each arc
    return {
        "nodes": nodes,
        "edges": arcs,
        "seconds": seconds,
        "ns_per_edge": 1e9 * seconds / arcs,
        "reads_ns_per_edge": 1e9 * found["reads"] / arcs,
        "limit_ns_per_edge": 1e9 * moved / bandwidth / arcs,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description="MeanConv beside PyTorch Geometric's SAGEConv.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="the ratio alone")
    parser.add_argument("--per-edge", action="store_true", help="time per edge alone")
    parser.add_argument("--cpu-time", action="store_true", help="processor time: for a busy machine")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    n = chosen.repetitions
    machine = f"{platform.machine()}, {chosen.threads} threads, torch {torch.__version__}"
    copy, copied = copying()
    bandwidth = copied / repeated({"copy": copy}, 7)["copy"]
    clock = time.process_time if chosen.cpu_time else time.perf_counter
    print(f"{machine}; memory copied at {bandwidth / 1e9:.1f} GB/s; {WIDTH} features, float32, medians of {n} repetitions")

    found: dict[str, Any] = {"machine": machine, "bandwidth_gb_s": bandwidth / 1e9, "repetitions": n}
    found["clock"] = "processor time" if chosen.cpu_time else "wall time"
    # First, because memory that is kept from other work is slower to read.
    if not chosen.quick:
        found["per_edge"] = []
        for nodes, edges, repetitions in ((10_000, 100_000, n), (100_000, 1_000_000, n), (1_000_000, 10_000_000, 3)):
            line = per_edge(edges, nodes, repetitions, clock)
            found["per_edge"].append(line)
            print(
                f"{nodes:>9,} nodes {line['edges']:>10,} edges  {line['seconds']:7.3f} s  {line['ns_per_edge']:6.1f} ns/edge "
                f"(sums over neighbours alone {line['reads_ns_per_edge']:5.1f} ns, "
                f"memory {line['limit_ns_per_edge']:5.1f} ns)  peak {line['peak_memory_gb']:.1f} GB",
                flush=True,
            )
    if not chosen.per_edge:
        graph = random_graph(200_000, 2_000_000, generator=torch.Generator().manual_seed(0))
        found["against_pyg"] = pair = against_pyg(graph, n, clock)
        print(
            f"200,000 nodes, {graph.arcs.shape[1]:,} edges, forward + backward: ours {1e3 * pair['ours']:.0f} ms, "
            f"SAGEConv {1e3 * pair['pyg']:.0f} ms, {pair['ratio']:.1f} times faster "
            f"(largest difference {pair['largest_difference']:.0e})"
        )
        if not chosen.quick:
            found["kernels"] = kernels(graph, n)
            for name, seconds in found["kernels"].items():
                print(f"  sum over neighbours, {name:30s} {1e3 * seconds:7.1f} ms")
        del graph
    if chosen.json:
        files.write_json(chosen.json, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
