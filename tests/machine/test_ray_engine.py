"""A Ray cluster of two nodes on this machine: a sweep equal to the local one, and the groups of a node that is killed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweeping import SWEEP, rows, run

from coldframe.errors import InputError
from coldframe.machine.group import Job
from coldframe.machine.ray_engine import opened
from coldframe.verbs.cluster import Cluster, run_groups

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """Start Ray twice on this machine, one core each; skip where it is not installed or does not start."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="the extra ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}
    cluster = cluster_utils.Cluster()
    try:
        cluster.add_node(**small, include_dashboard=False)
        cluster.add_node(**small)
        cluster.wait_for_nodes(timeout=60)
    except (OSError, RuntimeError, TimeoutError) as error:
        cluster.shutdown()
        pytest.skip(f"Ray cannot start here: {' '.join(str(error).split())[-200:]}")
    yield cluster
    cluster.shutdown()


def test_a_sweep_by_two_nodes_is_the_local_sweep(two_nodes: Any, tmp_path: Path) -> None:
    local = rows(run(SWEEP, tmp_path / "local", tmp_path / "a", "--json"))
    where = f"ray:{two_nodes.address}"
    done = run(SWEEP, tmp_path / "out", tmp_path / "b", "--cluster", where, "--groups", "2", "--json")
    assert rows(done) == local and len(local) == 9
    assert "group-2 has ended, 2 of 2" in done.stderr
    assert "top-1" in done.stderr or (tmp_path / "out" / "cluster" / "group-1.log").exists()


def test_the_groups_of_a_killed_node_run_again_and_nobody_is_left_behind(two_nodes: Any, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    program = (
        "import os, pathlib, sys, time\n"
        f"pathlib.Path({str(starts)!r}).open('a').write(f'{{sys.argv[2]}} {{os.getpid()}}\\n')\n"
        f"time.sleep(60 if len(open({str(starts)!r}).readlines()) <= 2 else 0)\n"
    )
    said: list[str] = []

    def kill() -> None:
        while not starts.exists() or len(starts.read_text().splitlines()) < 2:
            time.sleep(0.2)
        two_nodes.remove_node(two_nodes.worker_nodes.copy().pop(), allow_graceful=False)
        first = int(starts.read_text().split()[1])
        while len(starts.read_text().splitlines()) < 3:
            time.sleep(0.2)
        both = [int(line.split()[1]) for line in starts.read_text().splitlines()[:2]]
        alive.extend(pid for pid in both if Path(f"/proc/{pid}").exists())
        assert first in both

    alive: list[int] = []
    killer = threading.Thread(target=kill)
    killer.start()
    where = Cluster("ray", address=two_nodes.address)
    run_groups(where, [sys.executable, "-c", program], 2, tmp_path / "logs", option="--shard", tell=said.append)
    killer.join()
    assert len(alive) <= 1, "the group of the killed node still runs beside its second run"
    started = [line.split()[0] for line in starts.read_text().splitlines()]
    assert sorted(set(started)) == ["1/2", "2/2"] and len(started) == 3
    assert said[-1] in ("group-1 has ended, 2 of 2", "group-2 has ended, 2 of 2")


def test_what_no_machine_has_is_refused(two_nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a machine of 3 CPUs and 0 GPUs"), opened(two_nodes.address, 3, 0):
        pass
    with opened(two_nodes.address, 1, 0) as engine:
        engine.submit([Job([sys.executable, "-c", "raise SystemExit('no')"], str(tmp_path), {}, str(tmp_path / "a.log"))])
        found: dict[int, tuple[int, str]] = {}
        while not found:
            found = engine.finished(1.0)
    assert found == {0: (1, "no")}
