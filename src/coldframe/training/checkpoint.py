"""Checkpoints that survive a kill at any moment: one safetensors file, replaced by one rename.

All that decides the rest of a run is in it: parameters, optimiser state, the best state so far, the position and the
history. Random numbers need no state: the order of the data is permutation(seed, epoch), augmentation f(seed, epoch, index).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import FileError, InputError
from coldframe.files.reading import loads
from coldframe.training.sharded import share, whole

NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """Where a run stands.

    Args:
        step: optimiser steps taken.
        epoch: epochs finished.
        best: best validation value so far; None before the first.
        best_loss: validation loss beside it, which decides among equal values; None where there is none.
        best_epoch: the epoch it was reached after, counted from 1.
        loss_sum: sum of the losses of this epoch so far, weighted by batch size.
        seen: items of this epoch so far.
        seconds: time spent training, over all starts of the run.
        history: one dict an epoch.
    """

    step: int = 0
    epoch: int = 0
    best: float | None = None
    best_loss: float | None = None
    best_epoch: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def save(
    folder: Path | None,
    key: str,
    progress: Progress,
    parameters: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    best: Mapping[str, Tensor] | None,
) -> None:
    """Write the checkpoint of a run. Weights that are shared out are gathered, so then every process must ask.

    Args:
        folder: the run's folder; None writes nothing.
        key: digest of everything that must be equal for a resumed run to be the same run.
        progress: where it stands.
        parameters: what is trained, by name.
        optimiser: whose state is kept.
        best: the parameters at the best validation value, by name.
    """
    tensors = {f"now/{name}": whole(value) for name, value in parameters.items()}
    tensors |= {f"best/{name}": whole(value) for name, value in (best or {}).items()}
    scalars: dict[str, float] = {}
    for position, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser/{position}/{name}"] = whole(value)
            elif value is not None:
                scalars[f"{position}/{name}"] = value
    if folder is None:
        return
    note = {"key": key, "progress": json.dumps(asdict(progress)), "scalars": json.dumps(scalars)}
    files.write_safetensors(folder / NAME, tensors, note)


def another_run(folder: Path) -> InputError:
    """Return the refusal of a folder with an unfinished run of something else."""
    return InputError(
        f"{folder} holds an unfinished run with other settings, data or weights; "
        "repeat those to continue it, choose another folder, or remove this one to start again"
    )


def restore(
    folder: Path, key: str, parameters: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor] | None] | None:
    """Load the checkpoint of ``folder`` into ``parameters`` and ``optimiser``; None when there is none.

    Half-written checkpoints of killed runs are removed.

    Returns:
        Where the run stood, and the best parameters so far.

    Raises:
        InputError: the folder holds another run.
    """
    for leftover in folder.glob(f".{NAME}.*"):
        leftover.unlink(missing_ok=True)
    if not (folder / NAME).exists():
        return None
    tensors, note = files.read_safetensors(folder / NAME)
    if note.get("key") != key:
        raise another_run(folder)
    where, remedy = str(folder / NAME), f"remove {folder} to start anew"
    progress = loads(note.get("progress", ""), Progress, f"{where}, progress", remedy=remedy)
    scalars = loads(note.get("scalars", ""), dict[str, float], f"{where}, scalars", remedy=remedy)
    best = {name.removeprefix("best/"): tensor for name, tensor in tensors.items() if name.startswith("best/")}
    try:
        if progress.best_epoch and not best:
            raise ValueError("the best parameters are missing")
        if best and any(best[name].shape != value.shape for name, value in parameters.items()):
            raise ValueError("the best parameters have other shapes")
        state: dict[int, dict[str, Any]] = {}
        for name, held in [*tensors.items(), *((f"optimiser/{name}", number) for name, number in scalars.items())]:
            if name.startswith("optimiser/"):
                _, position, field_name = name.split("/", 2)
                state.setdefault(int(position), {})[field_name] = held
        now = {name: tensors[f"now/{name}"] for name in parameters}
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(share(now[name], value.detach()))
            best = {name: share(tensor, parameters[name].detach()) for name, tensor in best.items()}
            trained = [value for group in optimiser.param_groups for value in group["params"]]
            for number, kept in state.items():
                like = trained[number].detach()
                state[number] = {name: share(x, like) if isinstance(x, Tensor) else x for name, x in kept.items()}
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    except (LookupError, ValueError, TypeError, RuntimeError) as error:
        raise FileError(f"cannot use {where}: its tensors are not those of this run; {remedy}") from error
    return progress, best or None
