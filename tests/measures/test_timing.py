import sys
import time

import pytest
import torch

from coldframe.errors import InputError
from coldframe.measures import Latency, latencies, latency
from coldframe.measures.timing import device_of

module = sys.modules["coldframe.measures.timing"]


def test_counts_calls_and_makes_the_input_once():
    calls, made = [], []

    def make(batch: int) -> torch.Tensor:
        made.append(batch)
        return torch.zeros(batch, 2)

    found = latency(lambda x: calls.append(len(x)), make, batch=4, warmup=2, repeats=7)
    assert made == [4] and calls == [4] * 9
    assert (found.n, found.batch) == (7, 4)
    assert 0 <= found.p10 <= found.median <= found.p90


def test_is_in_milliseconds_an_image():
    found = latency(lambda _: time.sleep(0.02), lambda batch: batch, batch=2, warmup=0, repeats=3)
    assert found.median >= 10


def test_repeats_until_the_time_is_up_but_five_times_at_least():
    assert latency(lambda _: None, lambda batch: None, warmup=0, min_seconds=0).n == 5
    assert latency(lambda _: None, lambda batch: None, warmup=0, min_seconds=60, most=9).n == 9


def test_device_of_nested_input():
    assert device_of({"a": [1, torch.zeros(1)]}).type == "cpu"
    assert device_of(("text", torch.zeros(1, device="meta"))).type == "meta"


def test_bad_counts_are_one_sentence():
    with pytest.raises(InputError, match="batch >= 1"):
        latency(lambda _: None, lambda batch: None, batch=0)


def test_calls_take_turns_in_an_order_that_rotates():
    order = []
    calls = {name: lambda _, name=name: order.append(name) for name in "abc"}
    found = latencies(calls, lambda batch: None, warmup=1, repeats=3)
    assert order == list("abc") + list("abc") + list("bca") + list("cab")
    assert {name: seen.n for name, seen in found.items()} == {"a": 3, "b": 3, "c": 3}


def test_mean_and_spread_are_of_the_same_calls():
    waits = iter([0.0, 0.01, 0.01, 0.01, 0.1])
    found = latency(lambda _: time.sleep(next(waits)), lambda batch: None, warmup=1, repeats=4)
    assert found.p10 <= found.median <= found.mean and found.spread > 2
    assert "times as long" in found.interference


def test_waiting_is_no_processor_time():
    found = latency(lambda _: time.sleep(0.05), lambda batch: None, warmup=0, repeats=3)
    assert found.processor is not None and found.processor < 25 < found.median
    other = latency(lambda _: None, lambda batch: torch.zeros(1, device="meta"), warmup=0, repeats=2)
    assert other.processor is None


def test_interference_is_said():
    quiet = Latency(10.0, 9.9, 10.1, 20, 8, 10.0, switches=1.0)
    assert quiet.interference == "" and quiet.spread == pytest.approx(1.02, abs=0.01)
    busy = Latency(10.0, 9.9, 10.1, 20, 8, 10.0, switches=250.0)
    assert busy.interference == "250 involuntary context switches a second"
    assert Latency(10.0, 9.0, 18.0, 20, 8, 10.0).interference == "slow passes 2.0 times as long as fast ones"


def test_switches_are_counted_while_the_calls_run(monkeypatch):
    seen = iter(range(0, 1000, 3))
    monkeypatch.setattr(module, "_switches", lambda: next(seen))
    found = latency(lambda _: time.sleep(0.001), lambda batch: None, warmup=0, repeats=5)
    assert found.switches == pytest.approx(15 / (found.mean * found.n / 1e3))
    monkeypatch.setattr(module, "_switches", lambda: None)
    assert latency(lambda _: None, lambda batch: None, warmup=0, repeats=2).switches is None


class Clock:
    """A clock that stands still but for what a call takes, in 64ths of a second, so that every sum is exact."""

    def __init__(self) -> None:
        self.now = self.spent = 0.0

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.spent

    def taking(self, *ticks: int):
        left = iter(ticks)

        def call(_: object) -> None:
            ticks = next(left)
            self.now, self.spent = self.now + ticks / 64, self.spent + ticks / 256

        return call


@pytest.mark.parametrize(("least", "passes"), [(20 / 64, 5), (21 / 64, 6), (0.0, 5)])
def test_every_number_is_that_of_the_clock(least, passes, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_switches", lambda: int(clock.now * 64))
    calls = {"a": clock.taking(*range(1, 99)), "b": clock.taking(*[1] * 99)}
    found = latencies(calls, lambda batch: None, batch=2, warmup=0, min_seconds=least)
    assert (found["a"].n, found["b"].n) == (passes, passes)
    if passes == 5:
        image = 1e3 / 64 / 2  # a tick in milliseconds an image
        a = found["a"]
        assert (a.median, a.p10, a.p90, a.mean) == pytest.approx((3 * image, 1.4 * image, 4.6 * image, 3 * image))
        assert a.passes == pytest.approx([tick * image for tick in range(1, 6)])
        assert (a.processor, a.switches, a.batch) == (pytest.approx(3 * image / 4), 64.0, 2)


def test_what_counts_as_interference_and_what_can_be_repeated():
    assert Latency(10.0, 10.0, 12.0, 9, 1, 10.0, switches=20.0).interference == ""
    assert Latency(10.0, 0.0, 12.0, 9, 1, 10.0).spread == 1.0
    assert latency(lambda _: None, lambda batch: None, batch=1, warmup=0, repeats=1).n == 1
    for wrong in ({"warmup": -1}, {"repeats": 0}):
        with pytest.raises(InputError, match="warmup >= 0 and repeats >= 1"):
            latency(lambda _: None, lambda batch: None, **wrong)
