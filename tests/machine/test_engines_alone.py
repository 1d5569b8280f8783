"""The engines of a cluster without a cluster: what they make of a queue, of results, and of the sizes of machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coldframe.errors import InputError
from coldframe.machine import slurm_engine
from coldframe.machine.group import Job
from coldframe.machine.ray_engine import RayEngine, opened
from coldframe.machine.slurm_engine import SlurmEngine

JOBS = [Job(["true"], ".", {}, "log")] * 3


class Submitted:
    """A job of submitit's: its result, once its file is there."""

    def __init__(self, folder: Path, number: int, result: Any = (0, "done")) -> None:
        self.job_id, self._result = f"7_{number}", result
        self.paths = SimpleNamespace(result_pickle=folder / f"{number}.pkl")

    def result(self) -> Any:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SlurmEngine, list[Any], list[float]]:
    """Return an engine with three jobs, what the queue will say, and a clock."""
    queue: list[Any] = [{"7_0", "7_1", "7_2"}]
    clock = [0.0]
    told = [(3, "one"), (0, "two"), RuntimeError("x" * 400)]
    made = [Submitted(folder, number, result) for number, result in enumerate(told)]
    monkeypatch.setattr(slurm_engine, "_queue", lambda arrays: queue[0] if arrays == {"7"} else pytest.fail(str(arrays)))
    monkeypatch.setattr(slurm_engine.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(slurm_engine.time, "monotonic", lambda: clock[0])
    engine = SlurmEngine(SimpleNamespace(map_array=lambda function, jobs: made[: len(jobs)]))
    engine.submit(JOBS)
    return engine, queue, clock


def test_jobs_of_slurm_end_with_their_result_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _, _ = slurm(tmp_path, monkeypatch)
    assert engine.finished(1) == {}
    (tmp_path / "1.pkl").touch()
    assert engine.finished(1) == {1: (0, "two")} and engine.finished(1) == {}
    (tmp_path / "0.pkl").touch()
    (tmp_path / "2.pkl").touch()
    assert engine.finished(1) == {0: (3, "one"), 2: (1, "x" * 300)}


def test_a_job_that_left_the_queue_without_a_result_is_given_up_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, queue, clock = slurm(tmp_path, monkeypatch)
    queue[0] = {"7_0", "7_2"}
    for clock[0] in (100.0, 115.0):
        assert engine.finished(1) == {}
    queue[0] = None  # the controller does not answer: nothing is known, and waiting begins again
    assert engine.finished(1) == {}
    queue[0] = {"7_0", "7_2"}
    for clock[0] in (200.0, 215.0):
        assert engine.finished(1) == {}
    clock[0] = 215.1
    assert engine.finished(1) == {1: (1, "job 7_1 left Slurm's queue without a result")}


def test_what_squeue_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        asked.append((command, options))
        return answers[-1]

    answers: list[Any] = []
    monkeypatch.setattr(slurm_engine.subprocess, "run", run)
    for answer, found in (
        (SimpleNamespace(returncode=0, stdout="7_0\n7_1\n", stderr=""), {"7_0", "7_1"}),
        (SimpleNamespace(returncode=1, stdout="", stderr="Invalid job id specified"), set()),
        (SimpleNamespace(returncode=1, stdout="", stderr="Unable to contact"), None),
        (SimpleNamespace(returncode=0, stdout="", stderr="warning"), set()),
    ):
        answers.append(answer)
        assert slurm_engine._queue({"9", "7"}) == found
    assert asked[0][0][-1] == "--jobs=7,9" and asked[0][1] == {"capture_output": True, "text": True, "check": False}


def test_what_submitit_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def executor(**options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(update_parameters=lambda **more: asked.append(more))

    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(SlurmExecutor=executor))
    for partition, gpus in (("", 0), ("gpu", 2)):
        with slurm_engine.opened(tmp_path, partition, 30, 4, gpus):
            pass
    plain = [{"folder": tmp_path, "max_num_timeout": 100}, {"time": 30, "cpus_per_task": 4, "job_name": "coldframe"}]
    assert asked == [*plain, *plain, {"partition": "gpu"}, {"gpus_per_node": 2}]


class Ray:
    """As much of Ray as the engine asks for: tasks run at once when they are waited for."""

    def __init__(self, nodes: list[dict[str, Any]], initialized: bool, answers: bool = True) -> None:
        self.said: list[Any] = []
        self.exceptions = SimpleNamespace(RayError=LookupError)
        self._nodes, self._initialized, self._answers = nodes, initialized, answers

    def is_initialized(self) -> bool:
        return self._initialized

    def init(self, address: str | None, **options: Any) -> None:
        self.said.append(("init", address, options))
        if not self._answers:
            raise ConnectionError("no\n" + "y" * 300)

    def nodes(self) -> list[dict[str, Any]]:
        return self._nodes

    def shutdown(self) -> None:
        self.said.append("shutdown")

    def remote(self, **options: Any) -> Any:
        self.said.append(options)
        return lambda function: SimpleNamespace(remote=id)


@contextmanager
def cluster(monkeypatch: pytest.MonkeyPatch, ray: Ray, address: str, cpus: int, gpus: int) -> Iterator[RayEngine]:
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with opened(address, cpus, gpus) as engine:
        yield engine


NODES = [{"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}},
         {"Alive": True, "Resources": {"CPU": 8.0}}, {"Alive": True, "Resources": {}}]  # fmt: skip


SIZES = [(4, 1, True), (5, 1, False), (8, 0, True), (9, 0, False), (4, 2, False), (0, 0, True)]


@pytest.mark.parametrize(("cpus", "gpus", "fits"), SIZES)
def test_one_living_machine_must_be_large_enough(monkeypatch: pytest.MonkeyPatch, cpus: int, gpus: int, fits: bool) -> None:
    ray = Ray(NODES, initialized=True)
    if not fits:
        with pytest.raises(InputError, match=f"expected a machine of {cpus} CPUs and {gpus} GPUs"):
            cluster(monkeypatch, ray, "", cpus, gpus).__enter__()
    else:
        with cluster(monkeypatch, ray, "", cpus, gpus) as engine:
            engine.submit(JOBS)
        assert ray.said == [{"num_cpus": cpus, "num_gpus": gpus, "max_retries": 3}]
    assert "shutdown" not in ray.said


def test_a_cluster_that_was_joined_is_left_and_one_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = Ray(NODES, initialized=False)
    with cluster(monkeypatch, ray, "auto", 1, 0):
        pass
    options = {"log_to_driver": False, "logging_level": 40, "include_dashboard": None}
    assert ray.said == [("init", "auto", options), "shutdown"]
    ray = Ray(NODES, initialized=False)
    with cluster(monkeypatch, ray, "", 1, 0):
        pass
    assert ray.said[0][1] is None
    with pytest.raises(InputError) as caught:
        cluster(monkeypatch, Ray(NODES, initialized=False, answers=False), "10.0.0.1", 1, 0).__enter__()
    assert f"none answered (no {'y' * 197});" in str(caught.value)


def test_what_rays_tasks_end_with(monkeypatch: pytest.MonkeyPatch) -> None:
    ray: Any = Ray(NODES, initialized=True)
    with cluster(monkeypatch, ray, "", 1, 0) as engine:
        ray.remote = lambda **_: lambda function: SimpleNamespace(remote=lambda job: job.log)
        engine.submit([Job([], ".", {}, name) for name in "abc"])
        ended = {"a": (2, "two"), "b": LookupError("z " * 200)}

        def get(one: str) -> Any:
            if isinstance(ended[one], Exception):
                raise ended[one]
            return ended[one]

        ray.get = get
        asked: list[Any] = []
        done = [["a", "b"], []]

        def wait(waiting: list[str], num_returns: int, timeout: float) -> tuple[list[str], list[str]]:
            asked.append((list(waiting), num_returns, timeout))
            return done.pop(0), []

        ray.wait = wait
        assert engine.finished(5) == {0: (2, "two"), 1: (1, ("z " * 200).strip()[:300])}
        assert engine.finished(1) == {} and asked == [(["a", "b", "c"], 3, 5), (["c"], 1, 1)]
