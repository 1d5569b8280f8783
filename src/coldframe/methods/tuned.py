"""Tuning the last blocks by little: what every such method shares, from its head to the merged network."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.backbones.rewired import Layer, Rewired, first_block, layers_of, write
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import interpolation, solvers, templates, views
from coldframe.methods.base import Report
from coldframe.methods.trained import Trained
from coldframe.training import Group
from coldframe.types import FEATURES

PROBE_L2 = (1e-2, 1e-3, 1e-4, 1e-5)
"""Penalties of the probe that a head starts from."""
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


def head(features: Tensor, weight: Tensor, bias: Tensor, unit: bool) -> Tensor:
    """Return logits [B, K] of features [B, D]."""
    features = functional.normalize(features.float(), dim=-1) if unit else features.float()
    return functional.linear(features, weight, bias)


class Tuned(Trained):
    """A frozen network with small learned changes in its last blocks, and a learned head.

    The tokens or maps that enter the first changed block are stored; blocks before it never run again. A new method says at
    which layers it changes something (``_wants``), what it starts from (``_start``) and what the layer then gives (``_layer``).
    One whose layers stay linear says instead which weights they then have (``_weights``), and can be merged.

    Args:
        backbone: any backbone of blocks.
        last: k, how many of the last blocks are tuned, or ``all``.
        head: where the head starts: ``text`` at the class embeddings, ``probe`` at a linear probe of the frozen features,
            ``normal`` at N(0, 0.01^2); ``auto`` at the texts where the model knows every word, else at the probe.
        template: texts of the class names.
        wise: alpha of WiSE: what was learned ends at (1 - alpha) start + alpha learned; ``"auto"`` chooses it on ``val``.
    """

    unmerged: ClassVar[str] = ""
    """Why the changes cannot be written into the network's weights; empty where they can."""
    drawn: ClassVar[tuple[str, ...]] = ()
    """Tensors that say nothing at the start, since others are zero: WiSE leaves them as learned."""

    _: KW_ONLY
    last: int | Literal["all"] = 3
    head: Literal["auto", "text", "probe", "normal"] = "auto"
    template: str | Sequence[str] = templates.PHOTO
    wise: interpolation.Mix = None
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        interpolation.check(self.wise)
        templates.resolve(self.template)
        self.template = self.template if isinstance(self.template, str) else list(self.template)
        if self.head == "text" and self.backbone.text is None:
            raise InputError(f"{self.backbone.name} has no text tower; use head probe, normal or auto")
        self._cut = first_block(self.backbone, self.last)
        whole = self.backbone.dtype == torch.float32
        self.base = self.backbone if whole else self.backbone.clone().to(dtype=torch.float32)
        every = layers_of(self.base, self._cut)
        self.layers = [layer for layer in every if self._wants(layer)]
        if not self.layers:
            found = f"in the last blocks of {self.backbone.name}, found none; {self._instead}"
            raise InputError(f"expected {self._needs()} {found}")
        self.learned: dict[str, dict[str, Tensor]] = {}
        self.weight, self.bias, self.unit = torch.zeros(0), torch.zeros(0), True
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

    def _start_head(self, train_split: Split, val: Split | None, cold: ColdPass) -> str:
        """Set where the head starts; return it in words."""
        classes, device = train_split.classes, self.base.device
        known = self.backbone.text is not None and not templates.unknown_words(self.backbone, classes)
        kind = ("text" if known else "probe") if self.head == "auto" else self.head
        self.unit = kind != "normal"
        if kind == "text":
            embeddings = templates.class_embeddings(self.backbone, classes, self.template)
            self.weight, self.bias = self.backbone.logit_scale * embeddings.float(), torch.zeros(len(classes), device=device)
        elif kind == "probe":
            self.weight, self.bias = self._probe(train_split, val, cold)
        else:
            drawn = torch.randn(len(classes), self.base.feature_dim, generator=torch.Generator().manual_seed(self.seed)) * 0.01
            self.weight, self.bias = drawn.to(device), torch.zeros(len(classes), device=device)
        return kind

    def _probe(self, train_split: Split, val: Split | None, cold: ColdPass) -> tuple[Tensor, Tensor]:
        """Return a probe of unit features; its penalty is the best on ``val``, or 1e-3 without images there."""

        def features(split: Split) -> Tensor:
            stored = cold.activations(self.backbone, split, FEATURES)
            return functional.normalize(stored.gather(torch.arange(len(split))).float(), dim=-1)

        x, y = features(train_split), torch.from_numpy(train_split.labels).to(self.base.device)
        grid = PROBE_L2 if val is not None else (1e-3,)
        best = None
        for linear in solvers.logistic_path(x, y, len(train_split.classes), grid, solvers.Basis.of(x), tolerance=1e-2):
            found, rank = linear.to(x), (0.0, 0.0)
            if val is not None:
                logits, truth = found(features(val)), torch.from_numpy(val.labels).to(x.device)
                right = float((logits.argmax(-1) == truth).float().mean())
                rank = (right, -float(functional.cross_entropy(logits, truth)))
            if best is None or rank > best[0]:
                best = rank, found
        assert best is not None
        return best[1].weight.float().clone(), best[1].bias.float().clone()


def uniform(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return a matrix from the uniform distribution on +- 1 / sqrt(columns), as a linear layer starts."""
    return (torch.rand(rows, columns, generator=generator) * 2 - 1) / math.sqrt(columns)
