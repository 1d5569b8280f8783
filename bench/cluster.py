"""A sweep of 60 small fits here and over two nodes of Ray on the same cores: the same bits, and how much time each takes.

    python bench/cluster.py --folder DIR --side local && python bench/cluster.py --folder DIR --side ray

Each side is a command of its own, so that each can be run while nothing else runs. The last one compares what both left.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SWEEP = (
    "sweep", "deep-prompt", "--model", "pocket", "--seeds", "4", "--device", "cpu", "--set", "deep-prompt.layer=11",
    "--grid", "lr=0.001,0.002,0.003,0.004,0.005", "--grid", "tokens=1,2,4", "--set", "deep-prompt.epochs=2",
)  # fmt: skip
"""15 cells and 4 seeds; with the baseline of the sweep 64 fits."""
NOT_COMPARED = ("seconds", "peak_memory")


def main() -> None:
    """Run one side; compare once both are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--side", choices=("local", "ray"), required=True)
    parser.add_argument("--threads", type=int, default=1, help="of the local side and of each group")
    asked = parser.parse_args()
    folder: Path = asked.folder
    os.environ |= {"OMP_NUM_THREADS": str(asked.threads), "RAY_USAGE_STATS_ENABLED": "0"}
    if asked.side == "local":
        run(folder, "local", [])
    else:
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 * 1024 * 1024)
        cluster.wait_for_nodes()
        try:
            run(folder, "ray", ["--cluster", f"ray:{cluster.address}", "--groups", "2"])
        finally:
            cluster.shutdown()
    found = {side: folder / f"{side}.json" for side in ("local", "ray")}
    if all(path.exists() for path in found.values()):
        local, ray = (json.loads(path.read_text()) for path in found.values())
        same = timeless(local["rows"]) == timeless(ray["rows"])
        fits = sum(row["seed"] is not None for row in local["rows"])
        ratio = ray["wall"] / local["wall"]
        cold, *groups = ray["groups"]
        least = (ray["own"] + cold + max(groups)) / local["own"]
        print(f"by processor time, the cold pass, the longer group and what gathers them: {least:.2f} times the local sweep")
        print(f"{fits} fits: local {local['wall']:.1f} s, two nodes {ray['wall']:.1f} s, {ratio:.2f} times; rows equal: {same}")


def run(folder: Path, side: str, more: list[str]) -> None:
    """Run the sweep with a store of its own, and keep its rows with the time it took."""
    environment = {**os.environ, "COLDFRAME_CACHE": str((folder / f"{side}-store").absolute())}
    data = f"folder:{pictures(folder / 'data').absolute()}"
    command = [sys.executable, "-m", "coldframe", *SWEEP, "--data", data, "--out", str(folder / side), *more, "--json"]
    began, before = time.monotonic(), processor()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stderr)
    own = processor() - before
    groups = [log.read_text().split(" s, ")[-1].split()[0] for log in sorted((folder / side / "cluster").glob("group-*.log"))]
    kept = {"wall": wall, "own": own, "groups": [float(text) for text in groups], "rows": json.loads(done.stdout)["rows"]}
    (folder / f"{side}.json").write_text(json.dumps(kept))
    print(f"{side}: {wall:.1f} s; of processor time {own:.1f} s itself, and its groups {groups}")


def processor() -> float:
    """Return the seconds of processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pictures(folder: Path) -> Path:
    """Return a folder of 90 pictures of three classes."""
    generator = np.random.default_rng(0)
    for number in range(90):
        place = folder / str(number % 3)
        place.mkdir(parents=True, exist_ok=True)
        noise = generator.integers(0, 120, (64, 64, 3)) + 60 * np.eye(3, dtype=np.int64)[number % 3]
        Image.fromarray(noise.astype(np.uint8)).save(place / f"{number}.png")
    return folder


def timeless(value: Any) -> Any:
    """Return a value without times and memory."""
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: timeless(x) for name, x in value.items() if not any(part in name for part in NOT_COMPARED)}


if __name__ == "__main__":
    main()
