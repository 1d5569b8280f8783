"""Weights fit whole or not at all, and the sentence names the first few that do not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coldframe.backbones.checkpoint import drawn, load_state, misfit
from coldframe.backbones.unwrapped import few
from coldframe.errors import ModelError


def test_drawn_weights_leave_the_callers_randomness_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = (drawn(lambda: nn.Linear(3, 3)) for _ in range(2))
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(first.weight, second.weight)


def test_few() -> None:
    assert few(["a", "b"]) == "a, b"
    assert few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_misfit() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = dict(net.state_dict())
    assert misfit(net.state_dict(), state) == ""
    state.pop("0.bias")
    state["2.bias"] = torch.zeros(1)
    state["1.weight"] = torch.zeros(4, 3)
    before = net[1].bias.clone()
    state["1.bias"] = before + 1
    with pytest.raises(ModelError) as caught:
        load_state(net, state, "net", "file.pth")
    assert str(caught.value) == (
        "file.pth does not fit net: it lacks 0.bias; it has unknown 2.bias; it has wrong shapes: "
        "1.weight ([4, 3] instead of [1, 3]); choose the model that it was saved from"
    )
    assert torch.equal(net[1].bias, before)
