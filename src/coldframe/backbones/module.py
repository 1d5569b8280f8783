"""Any torch module with a preprocessing as a backbone: two cuts, pixels and features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.errors import ModelError
from coldframe.files.own import own
from coldframe.types import FEATURES, PIXELS, Preprocess


class ModuleBackbone(Backbone):
    """A module that maps normalised images [B, 3, S, S] to features [B, D].

    Args:
        module: the network; it is frozen and put in evaluation mode.
        preprocess: how files become its input.
        name: what tables and saved runs call it.

    Raises:
        ModelError: what it returns for an image is no vector.
    """

    def __init__(self, module: nn.Module, preprocess: Preprocess, name: str = "own") -> None:
        module.eval()
        with torch.no_grad():
            found = module(torch.zeros(2, 3, preprocess.size, preprocess.size))
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2:
            shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ModelError(f"expected {name} to map images [2, 3, S, S] to features [2, D], found {shape}; pool it")
        super().__init__(name, module, preprocess, (PIXELS, FEATURES), found.shape[1], weights="the user's own")

    def _step(self, index: int, x: Tensor) -> Tensor:
        features: Tensor = self.module(x)
        return features

    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        return [self.module] if cut == PIXELS else []


def load_own(name: str) -> Backbone:
    """Call ``NAME()`` of a user's file, which returns a backbone, or a module and its :class:`Preprocess`."""
    made = own(name)()
    if isinstance(made, Backbone):
        made.name = name
        return made
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module) and isinstance(made[1], Preprocess):
        return ModuleBackbone(made[0], made[1], name)
    raise ModelError(f"expected {name} to return a module and its Preprocess, or a backbone, found {type(made).__name__}")
