"""What a run of pocket's training needs to go on after it was killed: weights, their average, momenta, and where it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.errors import InputError
from coldframe.files import read_safetensors, read_text, write_json, write_safetensors
from coldframe.files.formats import LogLine, PocketState, plain
from coldframe.files.reading import loads, read, typed

MOMENTA = ("momentum", "exp_avg", "exp_avg_sq", "step")


@dataclass
class State:
    """A run between two steps.

    Args:
        model: the network that is trained.
        optimisers: those of its parameters.
        average: the exponential moving average of every parameter, by name.
        step: steps taken.
        seconds: time spent in the loop.
        seen: images passed.
    """

    model: nn.Module
    optimisers: list[torch.optim.Optimizer]
    average: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def follow(self, decay: float) -> None:
        """Move the average towards the weights; in the first steps it follows faster."""
        live = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(list(self.average.values()), live, 1 - min(decay, self.step / (self.step + 10)))

    def save(self, folder: Path, fixed: dict[str, Any]) -> None:
        """Write the state; ``state.json`` comes last and names the tensors that belong to it.

        Args:
            folder: where.
            fixed: settings that must be the same when the run goes on.
        """
        named = dict(self.model.named_parameters())
        names = {id(p): name for name, p in named.items()}
        tensors = {f"model/{name}": p for name, p in named.items()} | {f"ema/{name}": t for name, t in self.average.items()}
        for optimiser in self.optimisers:
            for p, values in optimiser.state.items():
                tensors |= {f"{key}/{names[id(p)]}": torch.as_tensor(values[key]) for key in MOMENTA if key in values}
        file = f"state-{self.step}.safetensors"
        write_safetensors(folder / file, tensors)
        write_json(folder / "state.json", plain(PocketState(self.step, self.seconds, self.seen, fixed)))
        for old in folder.glob("state-*.safetensors"):
            if old.name != file:
                old.unlink()

    def resume(self, folder: Path, fixed: dict[str, Any]) -> bool:
        """Go on from ``folder`` where a state is; return whether there was one.

        Raises:
            InputError: the state belongs to a run with other settings.
        """
        if not (folder / "state.json").is_file():
            return False
        about = read_state(folder)
        other = [key for key, value in about.fixed.items() if fixed.get(key) != value]
        if other:
            raise InputError(
                f"{folder} holds a run with another {other[0]} ({about.fixed[other[0]]} instead of {fixed.get(other[0])}); "
                "choose another folder with --out"
            )
        tensors, _ = read_safetensors(folder / f"state-{about.step}.safetensors")
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(tensors[f"model/{name}"])
                self.average[name].copy_(tensors[f"ema/{name}"])
                for optimiser in self.optimisers:
                    if any(p is q for q in optimiser.param_groups[0]["params"]):
                        for key in MOMENTA:
                            if (value := tensors.get(f"{key}/{name}")) is not None:
                                # Adam keeps its count on the CPU.
                                optimiser.state[p][key] = value.clone() if key == "step" else value.to(p.device)
        self.step, self.seconds, self.seen = about.step, about.seconds, about.seen
        return True


def read_state(folder: Path) -> PocketState:
    """Return what ``state.json`` says. Raises :class:`FileError` where it is damaged."""
    return read(folder / "state.json", PocketState, remedy="train anew into another folder")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, each an object of JSON. Raises :class:`FileError` where one is damaged."""
    lines = []
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        line = loads(text, dict[str, Any], f"{path}, line {number}", remedy="remove it")
        typed(line, LogLine, f"{path}, line {number}", remedy="remove it", strict=False)
        lines.append(line)
    return lines


def read_average(folder: Path) -> tuple[dict[str, Tensor], int]:
    """Return the averaged weights of the newest state in a folder and the step they are from."""
    step = read_state(folder).step
    tensors, _ = read_safetensors(folder / f"state-{step}.safetensors")
    return {name.removeprefix("ema/"): t for name, t in tensors.items() if name.startswith("ema/")}, step
