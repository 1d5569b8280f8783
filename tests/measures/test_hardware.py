import json
import sys
from types import SimpleNamespace

import torch

from coldframe.measures import available_memory, machine

module = sys.modules["coldframe.measures.hardware"]


def test_names_what_numbers_depend_on():
    found = machine()
    assert {"device", "threads", "torch", "cpu", "cores", "platform", "python"} <= set(found)
    assert found["device"] == "cpu" and found["threads"] == torch.get_num_threads() and found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found


def test_free_memory_is_known_and_a_control_group_lowers_it(tmp_path, monkeypatch):
    free = available_memory()
    assert free is None or 2**20 < free < 2**50
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert module._left_in_group(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert module._left_in_group(tmp_path) is None and module._left_in_group(tmp_path / "absent") is None
    monkeypatch.setattr(module, "_left_in_group", lambda: 600)
    assert available_memory("cpu") == 600


def reading(text):
    """Return a stand-in for Path under which every file holds the text."""
    return lambda _: SimpleNamespace(read_text=lambda: text)


def test_what_the_kernel_says_is_read_line_by_line(monkeypatch):
    monkeypatch.setattr(module, "Path", reading("MemTotal:       9 kB\nMemAvailable:    3 kB\n"))
    assert (module._meminfo("MemAvailable"), module._meminfo("Mem"), module._meminfo("Swap")) == (3072, None, None)
    monkeypatch.setattr(module, "Path", reading("processor\t: 0\nmodel name\t: Fast: 3 GHz\nmodel name\t: other\n"))
    assert module.cpu_name() == "Fast: 3 GHz"
    monkeypatch.setattr(module, "Path", reading("processor\t: 0\n"))
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "riscv")
    assert module.cpu_name() == "riscv"
    monkeypatch.setattr(module.platform, "processor", lambda: "some")
    assert module.cpu_name() == "some"
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: {0: {0, 1, 2}}[pid], raising=False)
    assert module.cores() == 3
    assert [module.threads(found) for found in ({}, {"threads": 1}, {"threads": 2})] == ["1 thread", "1 thread", "2 threads"]


def test_a_group_of_the_first_version_has_a_limit_below_any_machine(tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    for limit, used, left in ((1000, 400, 600), (1000, 1400, 0), (2**60, 400, None), (2**60 - 1, 0, 2**60 - 1)):
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
        assert module._left_in_group(tmp_path) == left


def test_the_least_of_what_is_known_is_free(monkeypatch):
    for machine_has, group_has, least in ((5, 3, 3), (2, 3, 2), (None, 3, 3), (2, None, 2), (None, None, None)):
        monkeypatch.setattr(module, "_meminfo", lambda field, found=machine_has: found)
        monkeypatch.setattr(module, "_left_in_group", lambda found=group_has: found)
        assert available_memory() == least
