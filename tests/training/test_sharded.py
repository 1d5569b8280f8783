"""Weights that are shared out, in one process that holds the only share; several are in ``tests/cli/test_spread.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from coldframe.training import sharded
from coldframe.training.sharded import Sharded, called, share, whole


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.aside = nn.Linear(5, 7), nn.Linear(7, 3), nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * nn.functional.linear(self.first(x).tanh(), self.second.weight)  # second is not called as a module


def test_only_large_parts_that_are_called_are_gathered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "LEAST", 1)
    net = Net()
    assert called(net, [net.second, net.first, net.aside], lambda: net(torch.zeros(1, 5))) == [net.first]
    monkeypatch.setattr(sharded, "LEAST", 43)
    assert called(net, [net.first], lambda: net(torch.zeros(1, 5))) == []


def test_outputs_gradients_and_steps_are_those_of_whole_weights(joined: None) -> None:
    torch.manual_seed(0)
    net, x = Net(), torch.randn(4, 5)
    plain = Net()
    plain.load_state_dict(net.state_dict())
    shared = Sharded([net], [net.first], [net.aside.weight, net.aside.bias], "cpu")
    assert {name for name, value in net.named_parameters() if whole(value) is value} == {"aside.weight", "aside.bias", "scale"}
    for model, run in ((plain, plain), (net, lambda words: shared(net, words))):
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            run(x).square().mean().backward()
            optimiser.step()
    for (name, one), other in zip(plain.named_parameters(), net.parameters(), strict=True):
        assert torch.allclose(one, whole(other.detach()), atol=1e-6), name
    again = share(plain.first.weight.detach(), net.first.weight.detach())
    assert type(again) is not torch.Tensor and torch.equal(whole(again), plain.first.weight)
    assert share(x, x) is x and whole(x) is x
    step = torch.tensor(3.0)
    assert share(step, net.first.weight.detach()) is step, "a number beside a weight is every process's"
