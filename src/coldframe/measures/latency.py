"""Latency of a call: median and spread over repetitions, after warm-up, with the device synchronised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from coldframe.errors import InputError


@dataclass(frozen=True)
class Latency:
    """Milliseconds an image, over repeated calls.

    Args:
        median: the middle repetition, in ms an image.
        p10: the fast tenth, in ms an image.
        p90: the slow tenth, in ms an image.
        n: number of timed calls.
        batch: images in each call.
    """

    median: float
    p10: float
    p90: float
    n: int
    batch: int


def device_of(value: Any) -> torch.device:
    """Return the device of the first tensor in a tensor or a nested collection of them; the CPU when there is none."""
    if isinstance(value, torch.Tensor):
        return value.device
    inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for item in inner:
        found = device_of(item)
        if found.type != "cpu":
            return found
    return torch.device("cpu")


def synchronise(device: torch.device) -> None:
    """Wait until everything queued on ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def latency(
    call: Callable[[Any], object],
    make_input: Callable[[int], Any],
    *,
    batch: int = 1,
    warmup: int = 3,
    repeats: int | None = None,
    min_seconds: float = 1.0,
    most: int = 10_000,
) -> Latency:
    """Time ``call(make_input(batch))``; the input is made once, outside the clock.

    Gradients are recorded or not as the caller decides: wrap ``call`` in ``torch.no_grad()`` to time inference.

    Args:
        call: what is timed, from input to anything.
        make_input: batch size -> input, on the device to be timed.
        batch: images in one call.
        warmup: calls before the clock starts.
        repeats: number of timed calls; None repeats until ``min_seconds`` have passed, at least 5 times.
        min_seconds: seconds of timed calls when ``repeats`` is None.
        most: upper limit of timed calls when ``repeats`` is None.

    Returns:
        Median, 10th and 90th percentile in ms an image.

    Raises:
        InputError: a count is below what can be timed.
    """
    if batch < 1 or warmup < 0 or (repeats is not None and repeats < 1):
        raise InputError(f"expected batch >= 1, warmup >= 0 and repeats >= 1, found {batch}, {warmup} and {repeats}")
    value = make_input(batch)
    device = device_of(value)
    for _ in range(warmup):
        call(value)
    synchronise(device)
    seconds: list[float] = []
    began = time.perf_counter()
    while True:
        start = time.perf_counter()
        call(value)
        synchronise(device)
        seconds.append(time.perf_counter() - start)
        if repeats is not None:
            if len(seconds) >= repeats:
                break
        elif len(seconds) >= most or (len(seconds) >= 5 and time.perf_counter() - began >= min_seconds):
            break
    p10, median, p90 = (float(v) * 1e3 / batch for v in np.percentile(seconds, [10, 50, 90]))
    return Latency(median=median, p10=p10, p90=p90, n=len(seconds), batch=batch)
