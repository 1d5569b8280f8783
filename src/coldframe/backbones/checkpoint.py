"""Weights into a network, or one sentence about why they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from coldframe.backbones.pickled import tensors_of
from coldframe.backbones.unwrapped import few, named
from coldframe.errors import ModelError
from coldframe.files import MOST_WEIGHTS, explained, opened, read_safetensors, regular

Network = TypeVar("Network", bound=nn.Module)


def drawn(build: Callable[[], Network]) -> Network:
    """Build a network whose random weights are the same each time, leaving the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


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


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return a state dict from a local checkpoint: safetensors, whatever its ending, or a torch file, TorchScript included.

    Of a torch file the tensors alone are read: settings and numbers beside them are passed over, foreign objects are never
    built. Dicts that hold the weights under a key such as ``state_dict``, ``model`` or ``model_ema`` are unwrapped, and what
    wrappers put before all names is removed.

    Raises:
        FileError: the file cannot be read.
        ModelError: it holds no named tensors, or numbers that are not finite.
    """
    path = Path(path)
    with explained(path, "read"):
        regular(path, MOST_WEIGHTS)
        with opened(path, MOST_WEIGHTS) as file:
            begin = file.read(9)
    if path.suffix == ".safetensors" or (begin[8:] == b"{" and begin[:2] != b"PK"):
        weights = named(read_safetensors(path)[0], path)
    else:
        weights = named(_torch_file(path, zipped=begin[:2] == b"PK"), path)
    _check_finite(weights, path)
    return weights


def _torch_file(path: Path, *, zipped: bool) -> Any:
    with explained(path, "read"):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception:
            return tensors_of(path, zipped=zipped)


def _check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not numbers; a mask may hold minus infinity."""

    def sound(name: str, tensor: Tensor) -> bool:
        return bool(tensor.isfinite().all()) or ("mask" in name and not bool(tensor.isnan().any()))

    bad = [name for name, tensor in weights.items() if tensor.is_floating_point() and not sound(name, tensor)]
    if bad:
        raise ModelError(f"cannot use {path}: expected finite weights, found others in {few(bad)}; fetch or save it again")
