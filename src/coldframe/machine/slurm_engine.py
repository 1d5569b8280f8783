"""Commands run by Slurm, as one array of jobs, through submitit."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coldframe.errors import InputError
from coldframe.machine.group import Job, run

TRIES = 100
"""How often a job that uses up its minutes is put back into the queue."""
GONE = 15.0
"""Seconds for which a job may be missing in the queue without having left a result."""


class Group:
    """A command as a function that travels to another machine."""

    def __call__(self, job: Job) -> tuple[int, str]:
        """Run the command."""
        return run(job)

    def checkpoint(self, job: Job) -> Any:
        """Go back into the queue when preempted, or when the minutes are used up: what is finished is not run again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


class SlurmEngine:
    """Runs commands as an array of Slurm jobs.

    Args:
        executor: submitit's.
    """

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._running: dict[int, Any] = {}
        self._missing: dict[int, float] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs; see :class:`coldframe.machine.group.Engine`.

        Raises:
            InputError: Slurm does not take them.
        """
        from submitit.core.utils import FailedJobError

        try:
            self._running = dict(enumerate(self._executor.map_array(Group(), list(jobs))))
        except (FailedJobError, OSError) as error:
            raise InputError(f"expected Slurm to take the jobs, it said: {' '.join(str(error).split())[-300:]}") from error
        self._missing = {}

    def finished(self, seconds: float) -> dict[int, tuple[int, str]]:
        """Return what has ended; see :class:`coldframe.machine.group.Engine`."""
        time.sleep(seconds)
        queued = _queue({job.job_id.split("_")[0] for job in self._running.values()})
        found: dict[int, tuple[int, str]] = {}
        for at, job in list(self._running.items()):
            if job.paths.result_pickle.exists():
                found[at] = _result(job)
            elif queued is None or job.job_id in queued:
                self._missing.pop(at, None)
            elif time.monotonic() - self._missing.setdefault(at, time.monotonic()) > GONE:
                found[at] = 1, f"job {job.job_id} left Slurm's queue without a result"
        for at in found:
            del self._running[at]
        return found


def _result(job: Any) -> tuple[int, str]:
    try:
        code, said = job.result()
    except Exception as error:  # submitit raises what stopped the job, of any kind
        return 1, " ".join(str(error).split())[-300:] or type(error).__name__
    return int(code), str(said)


def _queue(arrays: set[str]) -> set[str] | None:
    """Return the jobs of some arrays that wait or run; None where the controller does not answer."""
    asked = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(sorted(arrays))}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode and "Invalid job id" not in done.stderr:
        return None
    return set(done.stdout.split())


@contextmanager
def opened(logs: Path, partition: str, minutes: int, cpus: int, gpus: int) -> Iterator[SlurmEngine]:
    """Prepare Slurm.

    Args:
        logs: folder of submitit's files, which all machines see.
        partition: empty for Slurm's default.
        minutes: of a job, before it goes back into the queue.
        cpus: of a job.
        gpus: of a job.

    Raises:
        InputError: Slurm's commands are not here.
    """
    import submitit

    logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns on standard output where Slurm keeps no accounts
    try:
        executor = submitit.SlurmExecutor(folder=logs, max_num_timeout=TRIES)
    except RuntimeError as error:
        raise InputError("expected Slurm's sbatch and srun here, found none; run the command where they are") from error
    executor.update_parameters(time=minutes, cpus_per_task=cpus, job_name="coldframe")
    if partition:
        executor.update_parameters(partition=partition)
    if gpus:
        executor.update_parameters(gpus_per_node=gpus)
    yield SlurmEngine(executor)
