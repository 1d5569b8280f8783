"""Weights into a network, or one sentence about why they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from coldframe.errors import ModelError

Network = TypeVar("Network", bound=nn.Module)


def drawn(build: Callable[[], Network]) -> Network:
    """Build a network whose random weights are the same each time, leaving the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


def few(names: Sequence[str], most: int = 3) -> str:
    """Return the first few names and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def misfit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Say in what two sets of named tensors differ; empty when they have the same names and shapes."""
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    shapes = [
        f"{name} ({list(found[name].shape)} instead of {list(expected[name].shape)})"
        for name in expected
        if name in found and found[name].shape != expected[name].shape
    ]
    parts = ((missing, "it lacks "), (unexpected, "it has unknown "), (shapes, "it has wrong shapes: "))
    return "; ".join(words + few(names) for names, words in parts if names)


def unfit(source: str, name: str, wrong: str) -> str:
    """Return the sentence about weights that do not fit."""
    return f"{source} does not fit {name}: {wrong}; choose the model that it was saved from"


def load_state(network: nn.Module, state: Mapping[str, Tensor], name: str, source: str) -> None:
    """Load named tensors into a network, all of them or none.

    Raises:
        ModelError: names or shapes differ, with the first few of each.
    """
    wrong = misfit(network.state_dict(), state)
    if wrong:
        raise ModelError(unfit(source, name, wrong))
    network.load_state_dict(dict(state))
