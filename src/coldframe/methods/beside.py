"""What is learned beside a frozen network, on stored activations: the head of the features and one more term."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.chain import ChainBackbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods.base import Report
from coldframe.methods.headed import Headed, head
from coldframe.methods.trained import Trained
from coldframe.training import Group


class Beside(Headed, Trained):
    """logits = head(features) + C z, where z [B, Z] is read off stored activations and C [K, Z] starts at zero.

    So training starts where the head does: at the class texts, or at a probe. No gradient passes through the network, and
    nothing of it runs but its end, from the last block's tokens to the features. A new one says at which ``cut`` it reads, what
    it starts from (``_start``), and what it reads (``_read``).
    """

    _: KW_ONLY
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.backbone, ChainBackbone) or not self.backbone.layers:
            raise InputError(f"expected a network of blocks for {self.name}, found {self.backbone.name}; choose linear-probe")
        side = self.backbone.preprocess.size
        blank = torch.zeros(1, 3, side, side, device=self.backbone.device, dtype=self.backbone.dtype)
        with torch.no_grad():
            self._check(blank)
        self.learned: dict[str, Tensor] = {}

    @abstractmethod
    def _check(self, blank: Tensor) -> None:
        """Refuse a network that cannot be read, from one blank image [1, 3, S, S]."""

    @abstractmethod
    def _start(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what is learned as it starts, ``out`` [K, Z] of zeros among it."""

    @abstractmethod
    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z [B, Z] and what the last block gave, from activations at ``cut``."""

    def warm(self, x: Tensor) -> Tensor:
        z, last = self._read(x)
        assert isinstance(self.backbone, ChainBackbone)
        features = self.backbone.end(last)
        return head(features, self.weight, self.bias, self.unit) + z @ self.learned["out"].T  # [B, K]

    def state(self) -> dict[str, Tensor]:
        named = {**self.learned, "head.weight": self.weight, "head.bias": self.bias}
        return {name: value.detach() for name, value in named.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.learned = {name: value for name, value in state.items() if not name.startswith("head.")}
        self.weight, self.bias = state["head.weight"], state["head.bias"]
        self.unit = self.head != "normal"

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        drawn = self._start(torch.Generator().manual_seed(self.seed))
        self.learned = {name: value.to(self.backbone.device) for name, value in drawn.items()}
        started = self._start_head(train_split, val, cold)
        parameters = {**self.learned, "head.weight": self.weight, "head.bias": self.bias}
        matrices = [value for value in parameters.values() if value.ndim > 1]
        vectors = [value for value in parameters.values() if value.ndim <= 1]
        self.learn(
            parameters, train_split, val, cold=cold, run=run, report=report,
            groups=[group for group in (Group(matrices), Group(vectors, decay=False)) if group.parameters],
        )  # fmt: skip
        self.choices["head starts at"] = started


def normed(x: Tensor) -> Tensor:
    """Return tokens [.., D] with mean 0 and variance 1 over D, in fp32."""
    return functional.layer_norm(x.float(), x.shape[-1:])


def sequence(x: Tensor) -> Tensor:
    """Return maps [B, C, H, W] as tokens [B, H W, C]; tokens as they are."""
    return x.flatten(2).transpose(1, 2) if x.dim() == 4 else x
