"""A real Slurm of one machine, which the test starts: sweeps, features and preempted groups equal to local ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sweeping import SWEEP, rows, run

from coldframe.errors import ColdframeError, InputError
from coldframe.machine import slurm_engine
from coldframe.machine.group import Job
from coldframe.verbs.cluster import Cluster, run_groups

CONFIGURATION = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/ctld.pid
SlurmdPidFile={place}/d.pid
SlurmctldLogFile={place}/ctld.log
SlurmdLogFile={place}/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=one Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start munged, slurmctld and slurmd for this machine alone, as the user root; skip where that cannot be."""
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
    paths = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    missing = [name for name in programs if shutil.which(name, path=paths) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"Slurm cannot start here: {', '.join(missing) + ' missing' if missing else 'the user is not root'}")
    place = tmp_path_factory.mktemp("slurm")
    for parent in (place, *place.parents[:3]):
        parent.chmod(0o755)  # munged refuses a key below folders that others may write
    (place / "state").mkdir()
    (place / "spool").mkdir()
    (place / "key").write_bytes(os.urandom(1024))
    (place / "key").chmod(0o400)
    host = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    (place / "slurm.conf").write_text(CONFIGURATION.format(host=host, place=place, cpus=os.cpu_count()))
    (place / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    before = {name: os.environ.get(name) for name in ("PATH", "SLURM_CONF")}
    os.environ |= {"PATH": paths, "SLURM_CONF": str(place / "slurm.conf")}
    daemons = [
        ["munged", "--foreground", "--force", f"--socket={place}/munge.socket", f"--key-file={place}/key",
         f"--pid-file={place}/munge.pid", f"--log-file={place}/munge.log", f"--seed-file={place}/munge.seed"],
        ["slurmctld", "-D"],
        ["slurmd", "-D"],
    ]  # fmt: skip
    started = []
    try:
        for daemon in daemons:
            with (place / f"{daemon[0]}.out").open("wb") as log:
                started.append(subprocess.Popen(daemon, stdout=log, stderr=log))
            time.sleep(2)
        for _ in range(30):
            said = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, check=False)
            if said.stdout.strip() == "idle":
                break
            time.sleep(1)
        else:
            logs = " ".join(path.read_text(errors="replace")[-300:] for path in sorted(place.glob("*.log")))
            pytest.skip(f"Slurm did not come up here: {' '.join(logs.split())[-400:]}")
        yield place
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_a_sweep_by_slurm_is_the_local_sweep_with_its_logs_in_its_folder(slurm: Path, tmp_path: Path) -> None:
    local = rows(run(SWEEP, tmp_path / "local", tmp_path / "a", "--json"))
    done = run(SWEEP, tmp_path / "out", tmp_path / "b", "--cluster", "slurm:partition=one", "--groups", "2", "--json")
    assert rows(done) == local and len(local) == 9
    assert {path.name for path in (tmp_path / "out" / "cluster").glob("group-*.log")} == {
        "group-0.log", "group-1.log", "group-2.log"
    }  # fmt: skip
    assert "group-2 has ended, 2 of 2" in done.stderr


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_features_and_comparisons_by_slurm_are_the_local_ones(slurm: Path, tmp_path: Path) -> None:
    words = ("extract", "--model", "pocket", "--data", "mini:caltech7", "--device", "cpu")
    assert run(words, tmp_path / "local", tmp_path / "a").returncode == 0
    done = run(words, tmp_path / "out", tmp_path / "b", "--cluster", "slurm", "--groups", "2")
    assert done.returncode == 0, done.stderr
    local, found = (np.load(tmp_path / name / "features.npy") for name in ("local", "out"))
    assert np.array_equal(local, found)
    asked = ("compare", "--methods", "knn,ncm", "--seeds", "2", "--shots", "2", "--no-refit", "--unknown", "none")
    local_rows = rows(run(asked, tmp_path / "c", tmp_path / "a", "--json"))
    far = run(asked, tmp_path / "d", tmp_path / "b", "--cluster", "slurm", "--groups", "2", "--json")
    assert rows(far) == local_rows and len(local_rows) == 6


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_a_preempted_group_goes_back_into_the_queue_and_runs_again(slurm: Path, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; p = pathlib.Path('starts'); p.open('a').write('.')\n"
        "time.sleep(20 * (p.stat().st_size == 1))"
    )
    with slurm_engine.opened(tmp_path, "one", 5, 1, 0) as engine:
        engine.submit([Job([sys.executable, "-c", program], str(tmp_path), {}, str(tmp_path / "group-1.log"))])
        while not (tmp_path / "starts").exists():
            engine.finished(0.2)
        (job,) = engine._running.values()
        job._interrupt()  # what Slurm sends to a job that it preempts
        found: dict[int, tuple[int, str]] = {}
        freed = False
        while not found:
            found = engine.finished(1.0)
            if not freed:  # Slurm holds what it requeues for two minutes
                begin = ["scontrol", "update", f"jobid={job.job_id}", "starttime=now"]
                freed = subprocess.run(begin, capture_output=True, check=False).returncode == 0
    assert found == {0: (0, "")}
    assert (tmp_path / "starts").read_text() == ".."


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_a_group_that_leaves_the_queue_is_named(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_engine, "GONE", 2.0)
    said: list[str] = []

    def cancel() -> None:
        while not list(tmp_path.glob("group-1.log")):
            time.sleep(0.1)
        subprocess.run(["scancel", "--signal=KILL", "--name=coldframe", "--full"], check=True)

    threading.Thread(target=cancel).start()
    program = [sys.executable, "-c", "import time; time.sleep(30)"]
    with pytest.raises(ColdframeError, match=r"1 of 1 groups were not finished; group-1 ended with: job .* left"):
        run_groups(Cluster("slurm"), program, 1, tmp_path, option="--shard", tell=said.append)


def test_without_slurm_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="the extra cluster is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="expected Slurm's sbatch"), slurm_engine.opened(tmp_path, "", 60, 1, 0):
        pass
