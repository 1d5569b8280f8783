"""Parameter-efficient tuning of the last blocks: what every such method shares, from its head to the merged network."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.backbones.rewired import Layer, Rewired, first_block, layers_of, write
from coldframe.backbones.transformer import transformer_or_none
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import interpolation, views
from coldframe.methods.base import Report
from coldframe.methods.headed import Headed, head
from coldframe.methods.trained import Trained
from coldframe.training import Group

MLP = ("fc1", "fc2")


@dataclass(frozen=True)
class Merged:
    """A plain network and its head, without a trace of how it was tuned.

    Args:
        backbone: a copy with other weights.
        weight: of the head [K, D].
        bias: of the head [K].
        unit: whether the head reads features of length 1.
    """

    backbone: Backbone
    weight: Tensor
    bias: Tensor
    unit: bool

    def __call__(self, pixels: Tensor) -> Tensor:
        """Map normalised images [B, 3, S, S] to logits [B, K]."""
        return head(self.backbone.run(pixels), self.weight, self.bias, self.unit)


class Tuned(Headed, Trained):
    """A frozen network with small learned changes in its last blocks, and a learned head.

    The tokens or maps that enter the first changed block are stored; blocks before it never run again. A new method says at
    which layers it changes something (``_wants``), what it starts from (``_start``) and what the layer then gives (``_layer``).
    One whose layers stay linear says instead which weights they then have (``_weights``), and can be merged.

    Args:
        backbone: any backbone of blocks.
        last: k, how many of the last blocks are tuned, or ``all``.
        wise: alpha of WiSE: what was learned ends at (1 - alpha) start + alpha learned; ``"auto"`` chooses it on ``val``.
    """

    unmerged: ClassVar[str] = ""
    """Why the changes cannot be written into the network's weights; empty where they can."""
    drawn: ClassVar[tuple[str, ...]] = ()
    """Tensors that say nothing at the start, since others are zero: WiSE leaves them as learned."""

    _: KW_ONLY
    last: int | Literal["all"] = 3
    wise: interpolation.Mix = None
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self._cut = first_block(self.backbone, self.last)
        whole = self.backbone.dtype == torch.float32
        self.base = self.backbone if whole else self.backbone.clone().to(dtype=torch.float32)
        every = layers_of(self.base, self._cut)
        self.layers = [layer for layer in every if self._wants(layer)]
        if not self.layers:
            view = transformer_or_none(self.base)
            turned = "none that can be told apart: places are turned into queries and keys" if view and view.rotary else "none"
            instead = "choose deep-prompt, attentive-probe or side-network" if view and view.rotary else self._instead
            found = f"in the last blocks of {self.backbone.name}, found {turned}; {instead}"
            raise InputError(f"expected {self._needs()} {found}")
        self.learned: dict[str, dict[str, Tensor]] = {}
        self._dropping: torch.Generator | None = None
        self._begin()
        self.rewired = Rewired(self.base, self._cut, self.layers, self._changed)

    _instead: ClassVar[str] = "choose ssf, bitfit, fine-tune, or another model"

    @abstractmethod
    def _wants(self, layer: Layer) -> bool:
        """Whether something is learned at this layer."""

    def _needs(self) -> str:
        """Return what the network must have, for a sentence."""
        return "linear layers"

    @abstractmethod
    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what is learned at a layer as it starts; the layer then gives what it gave before."""

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        """Return what a changed layer gives."""
        return layer.run(x, *self._weights(layer, learned))

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of the changed layer; asked only where ``unmerged`` is empty."""
        raise NotImplementedError

    @property
    def cut(self) -> str:
        return self._cut

    def warm(self, x: Tensor) -> Tensor:
        return head(self.rewired(x.to(self.base.dtype)), self.weight, self.bias, self.unit)  # [B, K]

    def _changed(self, x: Tensor, layer: Layer) -> Tensor:
        return self._layer(x, layer, self.learned[layer.name])

    def _begin(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        for layer in self.layers:
            start = self._start(layer, generator)
            self.learned[layer.name] = {name: value.detach().clone().to(self.base.device) for name, value in start.items()}

    def parameters(self) -> dict[str, Tensor]:
        """Return what is trained, by name."""
        named = {f"{layer}.{name}": value for layer, own in self.learned.items() for name, value in own.items()}
        return {**named, "head.weight": self.weight, "head.bias": self.bias}

    def state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.parameters().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.learned = {layer: {name: state[f"{layer}.{name}"] for name in own} for layer, own in self.learned.items()}
        self.weight, self.bias = state["head.weight"], state["head.bias"]
        self.unit = self.head != "normal"

    def dropped(self, x: Tensor, share: float) -> Tensor:
        """Return ``x`` with a share of its numbers dropped while training; as it is elsewhere."""
        if self._dropping is None or not share:
            return x
        kept = torch.rand(x.shape, generator=self._dropping).to(x.device) >= share
        return x * kept / max(1 - share, 1e-9)

    def merged(self) -> Merged:
        """Return a plain network whose logits are this method's, up to rounding.

        Raises:
            InputError: the changes cannot be written into the network's weights.
        """
        self._check_fitted()
        if self.unmerged:
            raise InputError(f"{self.name} cannot be merged into the weights of {self.backbone.name}: {self.unmerged}")
        network = self.base.clone()
        for layer in self.layers:
            write(network, layer, *self._weights(layer, self.learned[layer.name]))
        network.__dict__.pop("digest", None)
        return Merged(network, self.weight, self.bias, self.unit)

    @property
    def needs_val(self) -> tuple[str, str] | None:
        return ("wise='auto'", "give val, or a number") if self.wise == "auto" else None

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._begin()
        started = self._start_head(train_split, val, cold)
        parameters = self.parameters()
        start = {name: value.detach().clone() for name, value in parameters.items()}
        stored = self.stored(train_split, cold)

        def logits(items: Tensor, epoch: int) -> Tensor:
            place = (self.seed * 1_000_003 + epoch) * 1_000_003 + int(items[0])
            self._dropping = torch.Generator().manual_seed(place % 2**63)
            try:
                return self.warm(views.drawn(stored, items, epoch, self.seed))
            finally:
                self._dropping = None

        matrices = [value for value in parameters.values() if value.ndim > 1]
        vectors = [value for value in parameters.values() if value.ndim <= 1]
        self.learn(
            parameters, train_split, val, cold=cold, run=run, report=report, logits=logits, stored=stored,
            groups=[group for group in (Group(matrices), Group(vectors, decay=False)) if group.parameters],
        )  # fmt: skip
        self.choices |= {"blocks": self.base.layers - int(self._cut.removeprefix("block")), "head starts at": started}
        if self.wise is not None:
            idle = [name for name in parameters if name.rpartition(".")[2] in self.drawn]
            start |= {name: parameters[name].detach().clone() for name in idle}
            alpha, path = interpolation.settle(parameters, start, self.wise, self.validation(val, cold))
            self.choices |= {"wise": alpha, "path": path}

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        asked, self.wise = self.wise, chosen.choices.get("wise", self.wise)
        super()._refit(chosen, both, cold, run, report)
        self.wise = asked


def uniform(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return a matrix from the uniform distribution on +- 1 / sqrt(columns), as a linear layer starts."""
    return (torch.rand(rows, columns, generator=generator) * 2 - 1) / math.sqrt(columns)
