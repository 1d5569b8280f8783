"""A training that would never end is refused after its first seconds, with what ends in a day."""

from __future__ import annotations

import pytest
import torch

from coldframe.errors import InputError
from coldframe.training import Recipe, lifetime, train
from coldframe.training.lifetime import LONGEST, Lifetime


def test_the_speed_of_the_first_seconds_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(lifetime.time, "monotonic", lambda: now[0])
    slow, fine = Lifetime(10**9, 1000), Lifetime(10**7, 1000)
    for seconds, steps in ((1.0, 1), (5.0, 5), (9.9, 9)):
        now[0] = seconds
        slow.check(steps)
    now[0] = 10.0
    fine.check(10)  # 10^7 seconds
    with pytest.raises(InputError, match="a training that ends within ten years, found 1,000 epochs, which take 32 years"):
        slow.check(10)
    now[0] = 2 * LONGEST
    fine.check(11)  # asked once: a machine that slept is no slow machine


def test_the_loop_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "LOOK", 0.0)
    monkeypatch.setattr(lifetime, "LONGEST", 1e-9)
    value = torch.zeros(1, requires_grad=True)
    with pytest.raises(InputError, match="expected a training that ends within ten years, found 100,000 epochs"):
        train({"w": value}, lambda items, epoch: (value - 1).square().sum(), 8, Recipe(100_000, 4, 0.1))


def test_two_steps_and_ten_seconds_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(lifetime.time, "monotonic", lambda: now[0])
    endless = Lifetime(10**12, 1000)
    for seconds, steps in ((9.9, 2), (50.0, 1)):
        now[0] = seconds
        endless.check(steps)
    with pytest.raises(InputError, match="not one epoch ends in a day: take fewer or smaller images"):
        endless.check(2)
    now[0] = 0.0
    slow = Lifetime(5 * 10**8, 20_000)
    now[0] = 20.0
    with pytest.raises(InputError, match="which take 32 years at the speed of the first seconds; 1 epochs take a day"):
        slow.check(10)
    now[0] = 0.0
    just = Lifetime(int(LONGEST), 1000)
    now[0] = 10.0
    just.check(10)  # a second a step: ten years to the day
