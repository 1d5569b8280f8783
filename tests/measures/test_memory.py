import sys

import pytest
import torch

from coldframe.measures import PeakMemory, memory, peak_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="the resident set is read from /proc")


@linux
@pytest.mark.parametrize("way", ["high-water mark", "sampled"])
def test_sees_a_peak_that_is_gone_again(way, monkeypatch):
    if way == "sampled":
        monkeypatch.setattr(memory, "_reset_mark", lambda: False)
    with PeakMemory() as seen:
        big = torch.ones(25_000_000)  # 100 MB
        big.mul_(2)
        del big
    assert seen.growth_mb is not None and seen.held_mb is not None and seen.total_mb is not None
    assert 70 < seen.growth_mb < 200
    assert seen.held_mb < 50
    assert seen.total_mb > seen.growth_mb


@linux
def test_what_is_kept_is_held():
    with PeakMemory() as seen:
        kept = torch.ones(25_000_000)
    assert seen.held_mb is not None and seen.held_mb > 70 and len(kept)


@linux
def test_a_function_of_a_call():
    assert (peak_memory(lambda: torch.ones(25_000_000)) or 0) > 70
    assert (peak_memory(lambda: None) or 0) < 20


def test_blocks_may_not_be_nested_and_an_error_frees_the_mark():
    with pytest.raises(RuntimeError, match="nested"), PeakMemory(), PeakMemory():
        pass
    with PeakMemory():
        pass


@pytest.mark.parametrize(
    ("platform", "mark", "way", "numbers"),
    [("linux", True, "high-water mark", (50.0, 20.0, 150.0)), ("darwin", True, "getrusage", (60.0, None, 160.0)),
     ("win32", True, "none", (None, None, None))],
)  # fmt: skip
def test_every_number_is_that_of_the_system(platform, mark, way, numbers, monkeypatch):
    seen = {"VmRSS": iter([100e6, 120e6]), "VmHWM": iter([150e6])}
    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(memory, "_reset_mark", lambda: mark)
    monkeypatch.setattr(memory, "_status", lambda field: next(seen[field]))
    monkeypatch.setattr(memory, "_rusage_mark", iter([100e6, 160e6]).__next__)
    monkeypatch.setattr(memory, "_trim", lambda: None)
    with PeakMemory() as found:
        pass
    assert (found.way, (found.growth_mb, found.held_mb, found.total_mb)) == (way, numbers)


def test_what_was_given_back_is_no_growth(monkeypatch):
    seen = {"VmRSS": iter([100e6, 80e6]), "VmHWM": iter([90e6])}
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory, "_reset_mark", lambda: True)
    monkeypatch.setattr(memory, "_status", lambda field: next(seen[field]))
    monkeypatch.setattr(memory, "_trim", lambda: None)
    with PeakMemory() as found:
        pass
    assert (found.growth_mb, found.held_mb, found.total_mb) == (0.0, 0.0, 100.0)


def test_the_kernel_and_the_c_library_speak_of_kilobytes(monkeypatch):
    import resource
    from types import SimpleNamespace

    text = "VmPeak:\t 9 kB\nVmHWM:\t    7 kB\nVmRSS:\t    3 kB\n"
    monkeypatch.setattr(memory, "Path", lambda _: SimpleNamespace(read_text=lambda: text, write_text=lambda _: 1))
    assert (memory._status("VmRSS"), memory._status("VmHWM"), memory._reset_mark()) == (3072, 7168, True)
    with pytest.raises(OSError, match="no Vm in"):
        memory._status("Vm")
    for marked, reset in ((3 + 4096, True), (3 + 4097, False)):
        text = f"VmHWM: {marked} kB\nVmRSS: 3 kB\n"
        assert memory._reset_mark() is reset, "a mark that stays far above what is used was not reset"
    text = "nothing"
    assert memory._reset_mark() is False
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=3))
    for platform, found in (("linux", 3072), ("darwin", 3)):
        monkeypatch.setattr(memory.sys, "platform", platform)
        assert memory._rusage_mark() == found
