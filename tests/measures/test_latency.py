import time

import pytest
import torch

from coldframe.errors import InputError
from coldframe.measures import latency
from coldframe.measures.latency import device_of


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
