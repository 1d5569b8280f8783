"""Checkpoints as training scripts save them: the same network comes out of every wrapping, or one sentence."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from coldframe.backbones.checkpoint import read_weights
from coldframe.backbones.unwrapped import fitting
from coldframe.errors import ModelError, WeightsWarning
from coldframe.files import write_safetensors

State = dict[str, Tensor]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Flatten(), nn.Linear(16, 2)))


def named(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def same(found: Mapping[str, Tensor], net: nn.Module) -> bool:
    expected = net.state_dict()
    return sorted(found) == sorted(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


WRAPPED: dict[str, Callable[[State, State], Any]] = {
    "model_state_dict": lambda own, _: {"model_state_dict": own, "optimizer": {"state": {}, "param_groups": []}},
    "net": lambda own, _: {"net": own, "acc": 0.9},
    "own word": lambda own, _: {"my_classifier": own, "epoch": 3, "history": {"loss": [0.1]}},
    "two levels": lambda own, _: {"checkpoint": 1, "ema": {"module": own, "updates": 7}},
    "parallel": lambda own, _: {"state_dict": named(own, "module.")},
    "compiled": lambda own, _: named(own, "_orig_mod."),
    "both": lambda own, _: {"model": named(own, "_orig_mod.module.")},
    "averaged": lambda own, _: {"n_averaged": torch.tensor(5), **named(own, "module.")},
    "no average": lambda own, _: {"state_dict": own, "state_dict_ema": None},
    "objects": lambda own, _: {"model": own, "args": argparse.Namespace(lr=0.1), "best": np.float64(0.5)},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_every_wrapping(name: str, tmp_path: Path) -> None:
    net, other = network(), network(1)
    torch.save(WRAPPED[name](net.state_dict(), other.state_dict()), tmp_path / "net.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(read_weights(tmp_path / "net.pth"), net)


@pytest.mark.parametrize(
    ("averaged", "plain"),
    [("state_dict_ema", "state_dict"), ("model_ema", "model"), ("ema", "model"), ("ema_state_dict", "model_state_dict")],
)
def test_averaged_weights_win_and_it_is_said(averaged: str, plain: str, tmp_path: Path) -> None:
    net, other = network(), network(1)
    torch.save({plain: other.state_dict(), averaged: net.state_dict(), "epoch": 3}, tmp_path / "net.pth")
    with pytest.warns(WeightsWarning, match=f"holds {averaged} and {plain}: the averaged weights, {averaged}, are read"):
        assert same(read_weights(tmp_path / "net.pth"), net)


def test_a_module_under_a_key(tmp_path: Path) -> None:
    net = network()
    torch.save({"model": net, "epoch": 3}, tmp_path / "net.pth")
    assert same(read_weights(tmp_path / "net.pth"), net)


def test_prefixes_in_safetensors(tmp_path: Path) -> None:
    net = network()
    assert same(read_weights(write_safetensors(tmp_path / "a.safetensors", named(net.state_dict(), "module."))), net)


def test_several_networks_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"generator": network().state_dict(), "critic": network(1).state_dict()}, tmp_path / "gan.pth")
    with pytest.raises(ModelError, match=r"expected one set of weights, found generator, critic; save one by itself"):
        read_weights(tmp_path / "gan.pth")


@pytest.mark.parametrize("prefix", ["model.", "backbone.", "model.backbone.", "encoder_q.", "my.own.words."])
def test_a_prefix_is_found_by_the_networks_own_names(prefix: str) -> None:
    net = network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(fitting(named(net.state_dict(), prefix), net.state_dict(), "net.pth"), net)


def test_what_lies_beside_the_prefix_is_said() -> None:
    net = network()
    state = named(net.state_dict(), "backbone.") | {"projector.weight": torch.zeros(2), "loss.scale": torch.zeros(1)}
    with pytest.warns(WeightsWarning, match=r"under 'backbone.' are read; left out: projector.weight, loss.scale$"):
        assert same(fitting(state, net.state_dict(), "net.pth"), net)


def test_two_networks_under_two_prefixes() -> None:
    first, second = network(), network(1)
    both = named(first.state_dict(), "encoder_q.") | named(second.state_dict(), "encoder_k.")
    with pytest.raises(ModelError, match=r"expected the network once in moco.pth, found it under encoder_q., encoder_k."):
        fitting(both, first.state_dict(), "moco.pth")
    both = named(first.state_dict(), "online_model.") | named(second.state_dict(), "ema_model.")
    with pytest.warns(WeightsWarning, match="under 'ema_model.' are read"):
        assert same(fitting(both, first.state_dict(), "net.pth"), second)


def test_known_and_foreign_names_stay() -> None:
    net = network()
    known = dict(net.state_dict())
    assert fitting(known, net.state_dict(), "x") is known
    foreign = {"layers.7.weight": torch.zeros(1)}
    assert fitting(foreign, net.state_dict(), "x") is foreign
