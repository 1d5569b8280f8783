"""One command that runs on another machine, and what an engine that runs such commands can do."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PARENT_DIED = 1
"""PR_SET_PDEATHSIG of ``prctl`` on Linux."""


@dataclass(frozen=True)
class Job:
    """A command with what it needs to run anywhere.

    Args:
        command: the words.
        folder: where it runs; all machines see it.
        environment: variables beside those of the machine it runs on.
        log: file to which what it prints is appended.
    """

    command: Sequence[str]
    folder: str
    environment: dict[str, str]
    log: str


class Engine(Protocol):
    """Runs commands on other machines, again where a machine dies."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs."""

    def finished(self, seconds: float) -> dict[int, tuple[int, str]]:
        """Wait up to so many seconds; return exit status and last line of the jobs that have ended since the last call."""


def run(job: Job) -> tuple[int, str]:
    """Run a job here; return its exit status and the last line it printed.

    The command dies with this process, so that a machine that is given up leaves nobody behind who writes beside the job's
    second run. It does not hear the signals by which Slurm announces a preemption: this process does.
    """
    environment = {**os.environ, **job.environment}
    began, before = time.monotonic(), _processor()
    with Path(job.log).open("ab") as printed:
        child = subprocess.Popen(
            job.command, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, cwd=job.folder, env=environment,
            preexec_fn=_bound,
        )  # fmt: skip
        try:
            code = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
    lines = Path(job.log).read_text(errors="replace").strip().splitlines()
    with Path(job.log).open("a") as log:
        taken = f"{time.monotonic() - began:.1f} s, {_processor() - before:.1f} s of processor time"
        log.write(f"ended with status {code} after {taken}\n")
    return code, (lines or [""])[-1]


def _processor() -> float:
    """Return the seconds of processor time of all commands that this process has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _bound() -> None:
    """Bind a new process to its parent's life, and make it deaf to what its parent answers."""
    for name in ("SIGTERM", "SIGUSR2", "SIGCONT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PARENT_DIED, signal.SIGKILL)
