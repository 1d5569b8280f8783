"""Groups of work on other machines, by Slurm or Ray: each a command of its own that writes into one shared folder.

A group of fits is ``coldframe sweep ... --only i/n`` or ``coldframe compare ... --only i/n``: it finishes every n-th fit and
keeps it; what is there already is not run again. A group of images is ``coldframe extract ... --shard i/n`` or ``coldframe
prepare ... --shard i/n``. So a group whose machine dies loses the fit or the unit it was at, and may be run again anywhere; the
command that is run afterwards finds everything finished. What is computed does not depend on where.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from coldframe.errors import ColdframeError, InputError, MissingPackage, nearest
from coldframe.machine.group import Engine, Job

PACKAGES = {"slurm": ("submitit", "cluster"), "ray": ("ray", "ray")}
"""Engine -> the package it needs, and the extra that installs it."""
NUMBERS = {"slurm": ("minutes", "cpus", "gpus"), "ray": ("cpus", "gpus")}
FORMS = "slurm:partition=NAME,minutes=60,cpus=1,gpus=0 or ray:ADDRESS,cpus=1,gpus=0, each part but the first word as needed"
PASSED_ON = ("PYTHONPATH", "OMP_NUM_THREADS", "COLDFRAME_CACHE", "COLDFRAME_DATA", "HF_HUB_OFFLINE", "TORCH_HOME")
"""What a group takes over from this process's environment."""
_TURN = 1.0
"""Seconds between two looks at the groups."""


@dataclass(frozen=True)
class Cluster:
    """Where groups run.

    Args:
        engine: ``"slurm"`` or ``"ray"``.
        address: of a running Ray cluster; empty for one that Ray finds, or starts on this machine.
        partition: of Slurm; empty for its default.
        minutes: that Slurm gives to a group before it is put back into the queue.
        cpus: of one group; also its number of threads where OMP_NUM_THREADS says nothing else.
        gpus: of one group.
    """

    engine: str
    address: str = ""
    partition: str = ""
    minutes: int = 60
    cpus: int = 1
    gpus: int = 0

    @classmethod
    def of(cls, text: str) -> Cluster:
        """Return the cluster that ``slurm:NAME=VALUE,...`` or ``ray:ADDRESS,NAME=VALUE,...`` describes.

        Raises:
            InputError: another engine, or settings that it does not have.
            MissingPackage: the engine's package is not installed.
        """
        engine, _, rest = text.partition(":")
        if engine not in PACKAGES:
            raise InputError(f"expected a cluster {FORMS}, found {text!r}{nearest(engine, PACKAGES)}")
        words: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for part in filter(None, rest.split(",")):
            name, equals, value = part.partition("=")
            if not equals and engine == "ray" and "address" not in words:
                words["address"] = part
            elif value and name == "partition" and engine == "slurm":
                words[name] = value
            elif name in NUMBERS[engine] and value.isascii() and value.isdecimal() and len(value) < 8:
                numbers[name] = int(value)
            else:
                raise InputError(f"expected a cluster {FORMS}, found {part!r} in {text!r}")
        if not (numbers.get("minutes", 1) and numbers.get("cpus", 1)):
            raise InputError(f"expected minutes and cpus of 1 or more, found 0 in {text!r}")
        package, extra = PACKAGES[engine]
        if importlib.util.find_spec(package) is None:
            said = f"expected the package {package} for --cluster {engine}, found none"
            raise MissingPackage(f"{said}; install it with: pip install 'coldframe[{extra}]'")
        return cls(
            engine, words.get("address", ""), words.get("partition", ""), numbers.get("minutes", 60), numbers.get("cpus", 1),
            numbers.get("gpus", 0),
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return what a group is told beside its command."""
        return {"OMP_NUM_THREADS": str(self.cpus)} | {name: os.environ[name] for name in PASSED_ON if name in os.environ}

    def opened(self, logs: Path) -> AbstractContextManager[Engine]:
        """Return the engine, which is closed at the end of a ``with`` block."""
        if self.engine == "ray":
            from coldframe.machine.ray_engine import opened

            return opened(self.address, self.cpus, self.gpus)
        from coldframe.machine.slurm_engine import opened as slurm

        return slurm(logs, self.partition, self.minutes, self.cpus, self.gpus)


def group_of(text: str) -> tuple[int, int]:
    """Return (i, n) of a text such as ``2/4``, or ``0/4`` for the cold pass alone."""
    first, slash, last = text.partition("/")
    digits = bool(slash) and len(text) < 40 and text.isascii() and first.isdecimal() and last.isdecimal()
    if not (digits and int(first) <= int(last) and int(last)):
        raise InputError(f"expected a group i/n with 0 <= i <= n, such as 2/4, found {text!r}")
    return int(first), int(last)


def command_of_group(words: Sequence[str]) -> list[str]:
    """Return the command line of a group without its number: that of this process without what names the cluster."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("--cluster", "--groups"):
            skip = True
        elif not word.startswith(("--cluster=", "--groups=")):
            kept.append(word)
    return [sys.executable, "-m", "coldframe", *kept]


def run_groups(
    cluster: Cluster,
    command: Sequence[str],
    n: int,
    logs: Path,
    *,
    option: str = "--only",
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Run the n groups of a command and wait for all; groups of fits after one cold pass for all of them.

    Args:
        cluster: where.
        command: a group without its number.
        n: groups.
        logs: folder of what they print, ``group-1.log`` and so on.
        option: ``"--only"`` for fits, ``"--shard"`` for images.
        tell: called with each line that a group prints, and with each group that is finished.

    Raises:
        InputError: what was asked for cannot be used; the sentence is the group's own.
        ColdframeError: a group could not be finished; the sentence ends with what it printed last.
    """
    logs = logs.absolute()
    logs.mkdir(parents=True, exist_ok=True)
    before = {path.name: path.stat().st_size for path in logs.glob("group-*.log")}
    with cluster.opened(logs) as engine:
        for numbers in ([0], range(1, n + 1)) if option == "--only" else (range(1, n + 1),):
            here, environment = str(Path.cwd()), cluster.environment()
            jobs = [
                Job([*command, option, f"{i}/{n}"], here, environment, str(logs / f"group-{i}.log")) for i in numbers
            ]
            _run(engine, jobs, n, before, tell)


def _run(engine: Engine, jobs: Sequence[Job], n: int, read: dict[str, int], tell: Callable[[str], None]) -> None:
    """Run jobs to their ends; tell what they print as they print it."""
    engine.submit(jobs)
    found: dict[int, tuple[int, str]] = {}
    while len(found) < len(jobs):
        more = engine.finished(_TURN)
        for line in _printed(jobs, read):
            tell(line)
        for at in more:
            tell(f"{Path(jobs[at].log).stem} has ended, {len(found) + 1} of {len(jobs)}")
            found[at] = more[at]
    bad = [(at, code, said) for at, (code, said) in sorted(found.items()) if code]
    if bad:
        at, code, said = bad[0]
        if code == 2 and len(bad) == len(jobs):
            raise InputError(said.removeprefix("coldframe: "))
        log = jobs[at].log
        raise ColdframeError(
            f"{len(bad)} of {len(jobs)} groups were not finished; {Path(log).stem} ended with: {said}; {log} has all it "
            "printed; what is finished is kept: run the same command again"
        )


def _printed(jobs: Sequence[Job], read: dict[str, int]) -> Iterator[str]:
    """Yield the whole lines that groups have printed since the last time."""
    for path in (Path(job.log) for job in jobs):
        if not path.exists():
            continue
        with path.open("rb") as log:
            log.seek(read.get(path.name, 0))
            text = log.read()
        whole = text.rfind(b"\n") + 1
        read[path.name] = read.get(path.name, 0) + whole
        for line in text[:whole].decode(errors="replace").splitlines():
            yield f"{path.stem}: {line}"

