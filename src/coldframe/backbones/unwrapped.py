"""The weights in what training scripts save: which dict holds them, and what their names begin with."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from coldframe.backbones.pickled import Husk, tensors_of_module
from coldframe.errors import ModelError, WeightsWarning

AVERAGED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema", "teacher",
)  # fmt: skip
"""Keys of weights averaged over training, which is what the script that wrote them evaluates; best first."""
PLAIN = ("state_dict", "model_state_dict", "model", "model_state", "net", "network", "weights", "module", "student")
"""Keys of the weights themselves, best first."""
_AROUND = ("module.", "_orig_mod.")
"""What data parallelism and compiling put before every name."""
_COUNTER = "n_averaged"
"""What torch's ``AveragedModel`` keeps beside the weights."""
_DEEPEST = 4


def few(names: Collection[str], most: int = 3) -> str:
    """Return the first few names and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + rest


def named(value: Any, path: Path) -> dict[str, Tensor]:
    """Return the named tensors of what a torch file holds.

    Averaged weights win over those they were averaged from, and a warning says so. ``module.`` and ``_orig_mod.`` are taken
    off where all names have them.

    Raises:
        ModelError: there are none, or several dicts of them under keys that say nothing.
    """
    value = _plain(value)
    for _ in range(_DEEPEST):
        inside = _inside(value)
        known = [key for key in (*AVERAGED, *PLAIN) if key in inside]
        if known and known[0] in AVERAGED and len(known) > 1:
            said = f"{path} holds {known[0]} and {known[1]}: the averaged weights, {known[0]}, are read"
            warnings.warn(f"{said}; save {known[1]} by itself for the others", WeightsWarning, stacklevel=2)
        if not known and inside and not _tensors(value):
            if len(inside) > 1:
                several = few(list(inside))
                raise ModelError(f"cannot use {path}: expected one set of weights, found {several}; save one by itself")
            known = list(inside)
        if not known:
            break
        value = inside[known[0]]
    if not isinstance(value, Mapping):
        raise ModelError(f"cannot use {path}: expected a dict of named tensors, found {type(value).__name__}")
    found = {name: tensor for name, tensor in value.items() if isinstance(tensor, Tensor)}
    if not found:
        raise ModelError(f"cannot use {path}: expected a dict of named tensors, found one without any tensor")
    odd = next((name for name in found if not isinstance(name, str)), None)
    if odd is not None:
        raise ModelError(f"cannot use {path}: expected tensors by name, found the key {str(odd)[:60]}; save them by name")
    if all(name.startswith("module.") for name in found if name != _COUNTER):
        found.pop(_COUNTER, None)
    while found and all(name.startswith(_AROUND) for name in found):
        found = {name.partition(".")[2]: tensor for name, tensor in found.items()}
    return {name.replace("._orig_mod.", "."): tensor for name, tensor in found.items()}


def fitting(state: dict[str, Tensor], expected: Collection[str], source: str) -> dict[str, Tensor]:
    """Return tensors under a network's own names, where they lie under one prefix such as ``model.`` or ``backbone.``.

    What does not lie under it, such as another head or a loss, is left out with a warning. Tensors whose names the network
    knows, or of which nothing fits, are returned as they are.

    Args:
        state: named tensors.
        expected: the names of the network.
        source: their file, for what is said.

    Raises:
        ModelError: the network lies under several prefixes, and nothing says which one is meant.
    """
    known = sum(name in state for name in expected)
    counts: Counter[str] = Counter()
    wanted = set(expected)
    for name in state:
        parts = name.split(".")
        counts.update(".".join(parts[:at]) + "." for at in range(1, len(parts)) if ".".join(parts[at:]) in wanted)
    most = max(counts.values(), default=0)
    if most <= known or 2 * most < len(wanted):
        return state
    best = [prefix for prefix, count in counts.items() if count == most]
    averaged = [prefix for prefix in best if prefix.rstrip(".").rpartition(".")[2] in AVERAGED]
    if len(best) > 1 and len(averaged) != 1:
        raise ModelError(f"expected the network once in {source}, found it under {few(best)}; save the one you mean by itself")
    prefix = averaged[0] if len(best) > 1 else best[0]
    left = [name for name in state if not name.startswith(prefix)]
    if left:
        said = f"of {source} the tensors under {prefix!r} are read; left out: {few(left)}"
        warnings.warn(said, WeightsWarning, stacklevel=2)
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def headless(
    state: dict[str, Tensor], expected: Collection[str], last: Collection[str], place: str | tuple[str, ...], what: str
) -> dict[str, Tensor] | None:
    """Return the tensors of a file without the network's own head, and without another one; None where its own is there.

    Args:
        state: named tensors.
        expected: the names of the network.
        last: those of its head.
        place: what the names of another head begin with.
        what: the file and the network, for the warning.
    """
    if not last or any(name in state for name in last) or not all(name in state for name in expected if name not in last):
        return None
    foreign = [name for name in state if name not in expected and name.startswith(place)]
    if foreign:
        warnings.warn(f"the head of {what} and is left out: {few(foreign)}", WeightsWarning, stacklevel=2)
    return {name: tensor for name, tensor in state.items() if name not in foreign}


def _plain(value: Any) -> Any:
    """Return a pickled module as a dict of its tensors, anything else as it is."""
    return tensors_of_module(value) if isinstance(value, Husk) else value


def _tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(tensor, Tensor) for tensor in value.values())


def _inside(value: Any, depth: int = 0) -> dict[str, Any]:
    """Return what of a mapping holds named tensors itself, or deeper under a known key."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return {}
    each = {key: _plain(inner) for key, inner in value.items() if isinstance(key, str) and isinstance(inner, (Mapping, Husk))}
    usual = (*AVERAGED, *PLAIN)
    return {
        key: inner for key, inner in each.items()
        if _tensors(inner) or (key in usual and any(deeper in usual for deeper in _inside(inner, depth + 1)))
    }  # fmt: skip
