"""Commands run by Ray, one task each."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coldframe.errors import InputError
from coldframe.machine.group import Job, run

TRIES = 3
"""How often a command is run again after its machine died."""


class RayEngine:
    """Runs each command as a task of its own, again on another machine where one dies.

    Args:
        cpus: of a task.
        gpus: of a task.
    """

    def __init__(self, cpus: int, gpus: int) -> None:
        self._cpus, self._gpus = cpus, gpus
        self._running: dict[Any, int] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs; see :class:`coldframe.machine.group.Engine`."""
        import ray

        task = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=TRIES)(run)
        self._running = {task.remote(job): at for at, job in enumerate(jobs)}

    def finished(self, seconds: float) -> dict[int, tuple[int, str]]:
        """Return what has ended; see :class:`coldframe.machine.group.Engine`."""
        import ray

        waiting = list(self._running)
        ended, _ = ray.wait(waiting, num_returns=len(waiting), timeout=seconds)
        found: dict[int, tuple[int, str]] = {}
        for one in ended:
            try:
                code, said = ray.get(one)
            except ray.exceptions.RayError as error:
                code, said = 1, " ".join(str(error).split())[:300]
            found[self._running.pop(one)] = int(code), str(said)
        return found


@contextmanager
def opened(address: str, cpus: int, gpus: int) -> Iterator[RayEngine]:
    """Connect to a cluster, or start one on this machine where the address is empty and none is found.

    Raises:
        InputError: no cluster answers at the address, or none of its machines is large enough.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    import ray

    own = not ray.is_initialized()
    if own:
        try:
            ray.init(address or None, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"expected a Ray cluster at {address!r}, none answered ({said}); start one with 'ray start --head'"
            ) from error
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            raise InputError(f"expected a machine of {cpus} CPUs and {gpus} GPUs in the Ray cluster, found none; ask for fewer")
        yield RayEngine(cpus, gpus)
    finally:
        if own:
            ray.shutdown()
