"""Groups of work elsewhere: what is asked for, what is told, and how a group that fails is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from coldframe.errors import ColdframeError, InputError, MissingPackage
from coldframe.machine.group import Engine, Job, run
from coldframe.verbs.cluster import Cluster, _run, command_of_group, group_of, run_groups


class Here:
    """Runs jobs in this process's turn, one after the other."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.asked: list[str] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs, self.at = list(jobs), 0
        self.asked += [" ".join(job.command[-2:]) for job in jobs]

    def finished(self, seconds: float) -> dict[int, tuple[int, str]]:
        self.at += 1
        return {self.at - 1: run(self.jobs[self.at - 1])}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    engine = Here()

    @contextmanager
    def opened(self: Cluster, logs: Path) -> Iterator[Engine]:
        yield engine

    monkeypatch.setattr(Cluster, "opened", opened)
    return engine


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert Cluster.of("slurm") == Cluster("slurm") and Cluster.of("ray:") == Cluster("ray")
    assert Cluster.of("slurm:partition=a,minutes=30,cpus=2,gpus=1") == Cluster("slurm", "", "a", 30, 2, 1)
    assert Cluster.of("ray:10.0.0.1:6379,cpus=4") == Cluster("ray", "10.0.0.1:6379", cpus=4)
    for text in (
        "dask", "slurm:gpu", "slurm:partition=", "slurm:minutes=x", "slurm:colour=red", "ray:a,b", "ray:partition=a",
        "ray:minutes=3", "slurm:cpus=0", "slurm:minutes=0", "slurm:cpus=²", "slurm:cpus=-1", "", f"slurm:cpus={'9' * 5000}",
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"expected (a cluster|minutes)"):
            Cluster.of(text)
    with pytest.raises(InputError, match="did you mean 'slurm'"):
        Cluster.of("slrum")
    assert group_of("2/4") == (2, 4) and group_of("0/3") == (0, 3) and group_of("4/4") == (4, 4)
    for text in ("5/4", "1", "a/b", "0/0", "-1/2"):
        with pytest.raises(InputError, match="such as 2/4"):
            group_of(text)
    words = ["sweep", "--cluster", "slurm", "--groups=4", "--out", "x", "--cluster=slurm:a"]
    assert command_of_group(words) == [sys.executable, "-m", "coldframe", "sweep", "--out", "x"]


@pytest.mark.parametrize(("text", "package", "extra"), [("slurm", "submitit", "cluster"), ("ray:here", "ray", "ray")])
def test_without_the_package_one_sentence(text: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=rf"expected the package {package} .* pip install 'coldframe\[{extra}\]'"):
        Cluster.of(text)


def test_the_cold_pass_comes_first_and_lines_come_home(here: Here, tmp_path: Path) -> None:
    said: list[str] = []
    program = "import sys; print('row', sys.argv[2])"
    run_groups(Cluster("slurm"), [sys.executable, "-c", program], 2, tmp_path, tell=said.append)
    assert here.asked == ["--only 0/2", "--only 1/2", "--only 2/2"]
    told = [line for line in said if "processor time" not in line]
    assert len(told) == len(said) - 3 and told == [
        "group-0: row 0/2", "group-0 has ended, 1 of 1", "group-1: row 1/2", "group-1 has ended, 1 of 2",
        "group-2: row 2/2", "group-2 has ended, 2 of 2",
    ]  # fmt: skip
    said.clear()
    run_groups(Cluster("slurm"), [sys.executable, "-c", program], 1, tmp_path, option="--shard", tell=said.append)
    assert here.asked[3:] == ["--shard 1/1"] and said[0] == "group-1: row 1/1" and len(said) == 3


def test_a_group_that_fails_is_named_with_its_last_line(here: Here, tmp_path: Path) -> None:
    program = "import sys; sys.exit('out of patience' if sys.argv[2] == '2/3' else 0)"
    with pytest.raises(ColdframeError, match=r"1 of 3 groups were not finished; group-2 ended with: out of patience; .*log"):
        run_groups(Cluster("slurm"), [sys.executable, "-c", program], 3, tmp_path)
    program = "import sys; sys.exit(2 if sys.argv[2] == '2/3' else 0)"
    with pytest.raises(ColdframeError, match="1 of 3 groups were not finished"):
        run_groups(Cluster("slurm"), [sys.executable, "-c", program], 3, tmp_path)
    program = "import sys; print('coldframe: expected a seed, found none', file=sys.stderr); sys.exit(2)"
    with pytest.raises(InputError, match=r"^expected a seed, found none$"):
        run_groups(Cluster("slurm"), [sys.executable, "-c", program], 3, tmp_path)


def test_a_group_takes_over_folder_threads_and_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_CACHE", "there")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    told = Cluster("ray", cpus=3).environment()
    assert told["COLDFRAME_CACHE"] == "there" and told["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Cluster("ray", cpus=3).environment()["OMP_NUM_THREADS"] == "1"


def test_the_ends_of_what_a_cluster_and_a_group_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert Cluster.of("slurm:minutes=9999999,,gpus=0") == Cluster("slurm", minutes=9999999)
    assert Cluster.of("ray:gpus=2,here") == Cluster("ray", "here", gpus=2)
    for text in ("slurm:minutes=10000000", "slurm:partition", "slurm:cpus=", "ray:cpus=1,a,b"):
        with pytest.raises(InputError, match="expected a cluster slurm:partition"):
            Cluster.of(text)
    assert group_of(f"1/{'9' * 37}")[0] == 1 and group_of("1/1") == (1, 1)
    for text in (f"1/{'9' * 38}", "1/2/3", "/2", "1/", "²/3", "2/1"):
        with pytest.raises(InputError, match="expected a group i/n with 0 <= i <= n"):
            group_of(text)


def test_the_engine_is_opened_with_what_was_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr("coldframe.machine.ray_engine.opened", lambda *words: asked.append(words))
    monkeypatch.setattr("coldframe.machine.slurm_engine.opened", lambda *words: asked.append(words))
    Cluster("ray", "here", cpus=2, gpus=1).opened(tmp_path)
    Cluster("slurm", "", "a", 30, 2, 1).opened(tmp_path)
    assert asked == [("here", 2, 1), (tmp_path, "a", 30, 2, 1)]


class Told:
    """An engine whose groups end together, with a code and a last line each."""

    def __init__(self, ends: dict[int, tuple[int, str]]) -> None:
        self.ends = ends

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            with Path(job.log).open("ab") as log:
                log.write(b"whole\nhalf")

    def finished(self, seconds: float) -> dict[int, tuple[int, str]]:
        assert seconds == 1.0
        return self.ends


def test_only_where_all_groups_refuse_it_is_the_users_mistake(tmp_path: Path) -> None:
    jobs = [Job(["x"], ".", {}, str(tmp_path / f"group-{i}.log")) for i in (1, 2)]
    said: list[str] = []
    read: dict[str, int] = {}
    _run(Told({0: (0, ""), 1: (0, "")}), jobs, 2, read, said.append)
    lines = ["group-1: whole", "group-2: whole", "group-1 has ended, 1 of 2", "group-2 has ended, 2 of 2"]
    assert said == lines and read == {"group-1.log": 6, "group-2.log": 6}
    for ends, kind, words in (
        ({0: (2, "coldframe: no"), 1: (2, "coldframe: other")}, InputError, "^no$"),
        ({1: (2, "coldframe: no"), 0: (1, "died")}, ColdframeError, "^2 of 2 groups .*; group-1 ended with: died;"),
        ({1: (1, "died"), 0: (0, "")}, ColdframeError, "^1 of 2 groups .*; group-2 ended with: died; .*group-2.log has all"),
    ):
        with pytest.raises(kind, match=words) as caught:
            _run(Told(ends), jobs, 2, read, said.append)
        assert isinstance(caught.value, InputError) == (kind is InputError)
    assert said[4] == "group-1: halfwhole"
