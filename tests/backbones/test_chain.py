"""Links hold names, so that a copy of the network, or a network inside another, runs on its own weights."""

from __future__ import annotations

import torch
from torch import nn

from coldframe.backbones.chain import Link, left_over, member, stages_of


def test_links_follow_the_network_they_are_given() -> None:
    first, second = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))
    x = torch.randn(3, 2)
    link = Link(("0",))
    assert torch.equal(link(first, x), first(x)) and torch.equal(link(second, x), second(x))
    both = nn.ModuleDict({"a": first, "b": second})
    assert torch.equal(link.inside("b")(both, x), second(x))
    function = Link(("0.bias",), lambda net, y: y + net[0].bias)
    assert torch.equal(function.inside("a")(both, x), x + first[0].bias)
    assert function.inside("a").modules(both)[0] is first[0].bias


def test_member() -> None:
    net = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False)})
    assert member(net, "a.weight") is net["a"].weight
    assert member(net, "a.bias") is None and member(net, "b.c") is None


def test_left_over() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    stages = stages_of([Link(("0",))], [])
    assert left_over(net, stages, "2") == ("1.weight", "1.bias")


def test_names_of_cuts() -> None:
    link = Link(("x",))
    assert [cut for cut, _ in stages_of([], [[link], [link]], [link])] == ["pixels", "embed", "block0", "block1"]
    assert [cut for cut, _ in stages_of([link], [[link]])] == ["pixels", "block0"]
