"""Weights into a network, or one sentence about why they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from coldframe.backbones.pickled import tensors_of
from coldframe.errors import ModelError
from coldframe.files import MOST_WEIGHTS, explained, opened, read_safetensors, regular

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


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return a state dict from a local checkpoint: safetensors, whatever its ending, or a torch file, TorchScript included.

    Of a torch file the tensors alone are read: settings and numbers beside them are passed over, foreign objects are never
    built. Dicts that hold the weights under ``state_dict`` or ``model`` are unwrapped, and a common prefix ``module.``
    removed.

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
        weights = read_safetensors(path)[0]
    else:
        weights = _named(_torch_file(path, zipped=begin[:2] == b"PK"), path)
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


def _named(value: Any, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping):
        raise ModelError(f"cannot use {path}: expected a dict of named tensors, found {type(value).__name__}")
    found = {name: tensor for name, tensor in value.items() if isinstance(tensor, Tensor)}
    if not found:
        raise ModelError(f"cannot use {path}: expected a dict of named tensors, found one without any tensor")
    odd = next((name for name in found if not isinstance(name, str)), None)
    if odd is not None:
        raise ModelError(f"cannot use {path}: expected tensors by name, found the key {str(odd)[:60]}; save them by name")
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    return found


def _check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not numbers; a mask may hold minus infinity."""

    def sound(name: str, tensor: Tensor) -> bool:
        return bool(tensor.isfinite().all()) or ("mask" in name and not bool(tensor.isnan().any()))

    bad = [name for name, tensor in weights.items() if tensor.is_floating_point() and not sound(name, tensor)]
    if bad:
        raise ModelError(f"cannot use {path}: expected finite weights, found others in {few(bad)}; fetch or save it again")
