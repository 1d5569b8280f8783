"""Which parameters of a network the names of layers stand for: the head alone, blocks, a convolution, or all."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, nearest
from coldframe.types import PROJECTION, block

NAMED_LAYERS = ("head", "last-conv", "first-conv", "last-block", "last-half", "all")


def trained_stages(backbone: Backbone, layers: str) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that ``layers`` names, by the cut their stage starts at; none for ``head``.

    Raises:
        InputError: the backbone has no such stage, or no convolution where one is asked for.
    """
    stages = {cut: _parameters(backbone, cut) for cut in backbone.cuts[:-1]}
    if PROJECTION in stages:  # a matrix after the last block trains with it
        stages[block(backbone.layers - 1)] += stages.pop(PROJECTION)
    learned = [cut for cut, parameters in stages.items() if parameters]
    blocks = [cut for cut in learned if cut.startswith("block")]
    if layers == "head":
        return {}
    if layers == "all":
        return {cut: stages[cut] for cut in learned}
    if layers == "last-half":
        return {cut: stages[cut] for cut in learned[len(learned) // 2 :]}
    if layers == "last-block":
        last = blocks[-1] if blocks else learned[-1]
        return {cut: stages[cut] for cut in learned if backbone.index(cut) >= backbone.index(last)}
    if layers in ("first-conv", "last-conv"):
        return _convolution(backbone, layers, stages)
    chosen = [name.strip() for name in layers.split(",")]
    for name in chosen:
        if name not in learned:
            raise InputError(f"{backbone.name} has no layers {name!r} to train{nearest(name, (*NAMED_LAYERS, *learned))}")
    return {cut: stages[cut] for cut in chosen}


def _parameters(backbone: Backbone, cut: str) -> list[nn.Parameter]:
    found: list[nn.Parameter] = []
    for part in backbone.stage_modules(cut):
        found += [part] if isinstance(part, nn.Parameter) else list(part.parameters())
    return found


def _convolution(backbone: Backbone, layers: str, stages: Mapping[str, list[nn.Parameter]]) -> dict[str, list[nn.Parameter]]:
    convolutions = []
    for cut in stages:
        for part in backbone.stage_modules(cut):
            if isinstance(part, nn.Module):
                convolutions += [(cut, module) for module in part.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise InputError(f"{backbone.name} has no convolution for layers={layers!r}; choose last-block, last-half or all")
    cut, module = convolutions[0 if layers == "first-conv" else -1]
    return {cut: list(module.parameters())}
