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
