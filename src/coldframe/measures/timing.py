"""Latency of calls: median and spread over repetitions, after warm-up, with the device synchronised.

Other work on the machine is looked for, and said: how often the kernel took the processor away from this process
(involuntary context switches), and how far slow repetitions lie from fast ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from coldframe.errors import InputError

MOST_SWITCHES = 20.0
"""Involuntary context switches a second of timed work above which other work is taken to have run; an idle machine has few."""
MOST_SPREAD = 1.2
"""p90 / p10 above which the repetitions are taken to have been disturbed."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds an image, over repeated calls.

    Args:
        median: the middle repetition, in ms per image.
        p10: the fast tenth, in ms per image.
        p90: the slow tenth, in ms per image.
        n: number of timed calls.
        batch: images in each call.
        mean: over all repetitions, in ms per image.
        switches: involuntary context switches a second of timed work; None where the system does not tell.
        processor: median processor time of this process, all threads, in ms per image; other work hardly changes it. None on
            a device that works by itself.
        passes: every repetition, in ms per image, in order; calls that took turns have one each in every round.
    """

    median: float
    p10: float
    p90: float
    n: int
    batch: int
    mean: float
    switches: float | None = None
    processor: float | None = None
    passes: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @property
    def spread(self) -> float:
        """p90 / p10: 1 on a quiet machine."""
        return self.p90 / self.p10 if self.p10 else 1.0

    @property
    def interference(self) -> str:
        """Signs that other work ran on the machine, in words; empty where there are none."""
        signs = []
        if self.switches is not None and self.switches > MOST_SWITCHES:
            signs.append(f"{self.switches:.0f} involuntary context switches a second")
        if self.spread > MOST_SPREAD:
            signs.append(f"slow passes {self.spread:.1f} times as long as fast ones")
        return ", ".join(signs)


def _switches() -> int | None:
    """Return how often the kernel has taken the processor away from this process; None where it does not tell."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


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
        Median, 10th and 90th percentile in ms per image.

    Raises:
        InputError: a count is below what can be timed.
    """
    alone = {"": call}
    return latencies(
        alone, make_input, batch=batch, warmup=warmup, repeats=repeats, min_seconds=min_seconds, most=most
    )[""]


def latencies(
    calls: Mapping[str, Callable[[Any], object]],
    make_input: Callable[[int], Any],
    *,
    batch: int = 1,
    warmup: int = 3,
    repeats: int | None = None,
    min_seconds: float = 1.0,
    most: int = 10_000,
) -> dict[str, Latency]:
    """Time several calls on the same input, taking turns, so that what disturbs one disturbs all of them alike.

    Args:
        calls: name -> what is timed; every pass runs each of them once, in an order that rotates.

    The other arguments are those of :func:`latency`; ``min_seconds`` is of all calls together.

    Returns:
        name -> latency.
    """
    if batch < 1 or warmup < 0 or (repeats is not None and repeats < 1):
        raise InputError(f"expected batch >= 1, warmup >= 0 and repeats >= 1, found {batch}, {warmup} and {repeats}")
    value = make_input(batch)
    device = device_of(value)
    for call in calls.values():
        for _ in range(warmup):
            call(value)
    synchronise(device)
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    worked: dict[str, list[float]] = {name: [] for name in names}
    switches: dict[str, int | None] = dict.fromkeys(names, 0)
    began, passes = time.perf_counter(), 0
    while True:
        turn = passes % len(names)
        for name in names[turn:] + names[:turn]:
            before, used, start = _switches(), time.process_time(), time.perf_counter()
            calls[name](value)
            synchronise(device)
            seconds[name].append(time.perf_counter() - start)
            worked[name].append(time.process_time() - used)
            after, so_far = _switches(), switches[name]
            switches[name] = None if before is None or after is None or so_far is None else so_far + after - before
        passes += 1
        if repeats is not None:
            if passes >= repeats:
                break
        elif passes >= most or (passes >= 5 and time.perf_counter() - began >= min_seconds):
            break
    found = {name: _summary(seconds[name], batch, switches[name]) for name in names}
    if device.type != "cpu":
        return found
    return {name: replace(one, processor=float(np.median(worked[name])) * 1e3 / batch) for name, one in found.items()}


def _summary(seconds: list[float], batch: int, switches: int | None) -> Latency:
    p10, median, p90 = (float(v) * 1e3 / batch for v in np.percentile(seconds, [10, 50, 90]))
    total = sum(seconds)
    rate = None if switches is None else switches / total if total else 0.0
    passes = tuple(value * 1e3 / batch for value in seconds)
    return Latency(median, p10, p90, len(seconds), batch, total * 1e3 / batch / len(seconds), rate, passes=passes)
