"""A trace cuts where a network is a chain, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coldframe.backbones.trace import Trace, stages


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Net(nn.Module):
    """A chain of a stem, blocks in a list, and a norm; ``trick`` breaks it in one of several ways."""

    def __init__(self, trick: str = "") -> None:
        super().__init__()
        self.trick = trick
        self.unused = nn.Linear(2, 2)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
        self.list = nn.ModuleList([Residual(), Residual()])
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for index, module in enumerate(self.list):
            if self.trick == "arithmetic":
                x = x * 2
            if self.trick == "in place":
                x.mul_(2)
            if self.trick == "twice" and index == 1:
                x = self.list[0](x)
            x = module(x)
        return self.norm(x)


def cuts(net: nn.Module) -> list[tuple[str, list[str]]] | None:
    trace = Trace(net.eval(), (2, 3, 8, 8), lambda module, x: module(x))
    chain = trace.whole()
    return chain and [(cut, [link.owns[0] for link in links]) for cut, links in stages(trace, chain)]


def test_a_chain_is_opened_down_to_the_first_convolution() -> None:
    net = Net()
    assert cuts(net) == [
        ("pixels", ["stem.0"]), ("embed", ["stem.1"]), ("block0", ["list.0"]), ("block1", ["list.1", "norm"]),
    ]  # fmt: skip
    assert net.stem[1].inplace is False, "the activation would write over what is stored at embed"


@pytest.mark.parametrize("trick", ["arithmetic", "in place", "twice"])
def test_what_is_not_a_chain_is_not_cut(trick: str) -> None:
    assert cuts(Net(trick)) is None


def test_no_block_begins_with_what_is_written_over_later() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.relu_())

    found = cuts(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), Overwriting(), Residual()))
    assert found == [("pixels", ["0"]), ("embed", []), ("block0", ["1", "2"]), ("block1", ["3"])]


def test_the_network_is_left_as_it_was() -> None:
    net = Net().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    Trace(net, (2, 3, 8, 8), lambda module, x: module(x))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    with pytest.raises(RuntimeError):
        Trace(net, (2, 5, 8, 8), lambda module, x: module(x))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
