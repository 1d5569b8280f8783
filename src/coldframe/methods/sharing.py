"""A fine-tuned network whose weights are spread over processes: which of its parts are gathered alone."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.training import Optimiser
from coldframe.training.sharded import Sharded, called


class Tuned(Protocol):
    """A method that trains a copy of its backbone behind a cut, and a head that reads the features."""

    backbone: Backbone
    network: Backbone
    linear: nn.Linear
    optimiser: Optimiser

    @property
    def wise(self) -> object:
        """How the weights are mixed with those before training; None where they are not."""

    @property
    def cut(self) -> str:
        """Where training enters."""


def shared_out(tuned: Tuned, device: str) -> Sharded:
    """Spread the weights behind the cut over the processes; what lies before it does not run here, and stays where it is.

    Args:
        tuned: what is trained.
        device: where the shares lie.

    Raises:
        InputError: a setting cannot be had beside it.
    """
    backbone, network, cut = tuned.backbone, tuned.network, tuned.cut
    unable = {"wise": tuned.wise is not None, "optimiser muon": tuned.optimiser == "muon"}
    found = next((name for name, asked in unable.items() if asked), None)
    if found is not None:
        raise InputError(f"expected no {found} beside --shard-weights, found it; leave one of them out")
    network.module.to(memory_format=torch.contiguous_format)  # FSDP2 takes no other
    side, behind = backbone.preprocess.size, network.cuts[network.index(cut) : -1]
    run = [thing for place in behind for thing in network.stage_modules(place)]
    with torch.no_grad():
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        x = backbone.run(blank, stop=cut).to(network.dtype)
        modules = [thing for thing in run if isinstance(thing, nn.Module)]
        parts = called(network.module, modules, lambda: network.run(x, start=cut))
    used = {id(p) for thing in run for p in ([thing] if isinstance(thing, nn.Parameter) else thing.parameters())}
    ignored = [value for value in network.module.parameters() if id(value) not in used]
    return Sharded([network.module, tuned.linear], parts, ignored, device)
