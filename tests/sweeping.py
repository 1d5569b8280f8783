"""A small sweep as a user runs it, here or on a cluster, and what of its rows does not depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SWEEP = (
    "sweep", "linear-probe", "--data", "mini:caltech7", "--model", "pocket", "--shots", "2", "--seeds", "2", "--grid",
    "l2=0.1,1,10", "--device", "cpu",
)  # fmt: skip
CLOCK = ("seconds", "peak_memory", "latency")
"""Parts of the names of what another run, or another machine, measures otherwise."""


def run(words: tuple[str, ...], out: Path, cache: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of coldframe with a store of its own."""
    environment = {**os.environ, "COLDFRAME_CACHE": str(cache)}
    command = [sys.executable, "-m", "coldframe", *words, "--out", str(out), *more]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def rows(done: subprocess.CompletedProcess[str]) -> list[Any]:
    """Return the rows that a command printed, without what a clock or the system says."""
    assert done.returncode == 0, done.stderr
    return [timeless(row) for row in json.loads(done.stdout)["rows"]]


def timeless(value: Any) -> Any:
    """Return a value of results.json without what a clock or the system says, at any depth."""
    if not isinstance(value, dict):
        return value
    return {name: timeless(x) for name, x in value.items() if not any(part in name for part in CLOCK)}
