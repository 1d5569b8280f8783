"""The staged view of a frozen network: a chain of named cuts with a step from each to the next.

``cuts`` always begins with ``pixels`` (normalised images [B, 3, S, S]) and ends with ``features`` ([B, D]). Running to a
cut and on from it is the network's own forward, exactly.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.errors import InputError, ModelError, nearest
from coldframe.folding import fold_batch_norm
from coldframe.types import FEATURES, PIXELS, Preprocess


class TextTower(Protocol):
    """The text half of a vision-language model."""

    context_length: int

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return token ids [K, context_length], int64."""

    def encode(self, tokens: Tensor) -> Tensor:
        """Return text features before normalisation [K, D]."""

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of ``text`` that the vocabulary cannot spell; empty for byte-level vocabularies."""

    def cut(self, texts: Sequence[str]) -> list[str]:
        """Return those of the texts that are longer than the tower reads, so that their ends would be cut off."""

    @property
    def causal(self) -> bool:
        """Whether no position sees a later one."""

    def ends(self, tokens: Tensor) -> Tensor:
        """Return the position that the output is read at [K], of token ids [K, context_length]."""

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Return word embeddings without positions, token ids [K, T] -> [K, T, D]."""

    def encode_embeddings(self, embeddings: Tensor, ends: Tensor, shared: int = 0) -> Tensor:
        """Return text features before normalisation [K, D] of word embeddings [K, T, D], read at ``ends`` [K].

        The first ``shared`` positions are the same in all rows; a causal tower may be given fewer than all positions.
        """


class Backbone(ABC):
    """A frozen network in evaluation mode, seen as a chain of stages.

    Args:
        name: the id that loads it again, such as ``"timm:resnet18"``.
        module: the network; its parameters stop requiring gradients and it is put in evaluation mode.
        preprocess: how files become its input, from the weights' own configuration.
        cuts: names of the activations between stages, from ``pixels`` to ``features``.
        feature_dim: D, width of the features.
        text: the text tower, or None.
        classes: names of the outputs of its own head; empty without a head.
        weights: where the weights come from, in words; ``"random"`` when it has not been trained.
        published: figures that the makers of the weights give, such as ``{"top1": 0.6976, "source": "..."}``; accuracies
            are fractions in [0, 1], and ``source`` says what exactly they belong to.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        preprocess: Preprocess,
        cuts: Sequence[str],
        feature_dim: int,
        *,
        text: TextTower | None = None,
        classes: Sequence[str] = (),
        weights: str = "random",
        published: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.module = module.eval().requires_grad_(False)
        self.preprocess = preprocess
        self.cuts = tuple(cuts)
        self.feature_dim = feature_dim
        self.text = text
        self.classes = tuple(classes)
        self.weights = weights
        self.published = dict(published or {})

    @abstractmethod
    def _step(self, index: int, x: Tensor) -> Tensor:
        """Map the activation at ``cuts[index]`` to the one at ``cuts[index + 1]``."""

    @abstractmethod
    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        """Return what is learned in the stage that starts at ``cut``; each parameter belongs to one stage only."""

    def head(self, features: Tensor) -> Tensor | None:
        """Return the logits [B, K] of the network's own classifier, or None where it has none."""
        return None

    @property
    def logit_scale(self) -> float:
        """exp of the learned temperature of a vision-language model; 100 for the others, as CLIP's upper bound."""
        return 100.0

    @property
    def logit_bias(self) -> float:
        """What is added to the logits; 0 but for models trained with a sigmoid loss."""
        return 0.0

    @property
    def sigmoid(self) -> bool:
        """Whether it was trained to judge each text by itself, sigmoid(logit + bias), and not against the others."""
        return False

    def index(self, cut: str) -> int:
        """Return the position of a cut in ``cuts``. Raises :class:`InputError` with the nearest names."""
        if cut not in self.cuts:
            ends = f"(first to last: {self.cuts[0]} .. {self.cuts[-1]})"
            raise InputError(f"{self.name} has no cut {cut!r}{nearest(cut, self.cuts)} {ends}")
        return self.cuts.index(cut)

    def before(self, cut: str) -> tuple[str, ...]:
        """Return the cuts from which ``cut`` can be run to, first to last, itself at the end."""
        return self.cuts[: self.index(cut) + 1]

    def run(self, x: Tensor, start: str = PIXELS, stop: str = FEATURES) -> Tensor:
        """Run the stages from ``start`` to ``stop``.

        Args:
            x: the activation at ``start``; for ``pixels`` normalised images [B, 3, S, S].
            start: a cut.
            stop: the same or a later cut.

        Returns:
            The activation at ``stop``.
        """
        first, last = self.index(start), self.index(stop)
        if last < first:
            raise InputError(f"cannot run {self.name} backwards, from {start!r} to {stop!r}; swap start and stop")
        for index in range(first, last):
            x = self._step(index, x)
        return x

    def taps(self, x: Tensor, cuts: Iterable[str], start: str = PIXELS) -> dict[str, Tensor]:
        """Run once from ``start`` and return the activation at every cut asked for, however many."""
        wanted = sorted({self.index(cut) for cut in cuts})
        here, found = self.index(start), {}
        for index in wanted:
            x = self.run(x, self.cuts[here], self.cuts[index])
            here, found[self.cuts[index]] = index, x
        return found

    def normalise(self, images: Tensor) -> Tensor:
        """Map images to the network's input: uint8 in 0 .. 255 or floats in [0, 1], [B, 3, S, S] -> same shape, normalised."""
        mean = torch.tensor(self.preprocess.mean, device=self.device, dtype=torch.float32).view(3, 1, 1)
        std = torch.tensor(self.preprocess.std, device=self.device, dtype=torch.float32).view(3, 1, 1)
        x = images.to(self.device)
        x = x.float().div(255) if x.dtype == torch.uint8 else x.to(torch.float32)
        return ((x - mean) / std).to(self.dtype)

    @property
    def layers(self) -> int:
        """The number of blocks: cuts named ``block0`` .. ``block{layers-1}``."""
        return sum(cut.startswith("block") for cut in self.cuts)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.module.parameters()).dtype

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move the network, and return self.

        On a CPU a network with batch normalisation is laid channels last, where its convolutions are faster
        (``bench/folding.py``); elsewhere as usual.
        """
        self.module.to(device=device, dtype=dtype)
        if any(isinstance(module, _BatchNorm) for module in self.module.modules()):
            here = self.device.type == "cpu"
            self.module.to(memory_format=torch.channels_last if here else torch.contiguous_format)
        self.__dict__.pop("digest", None)
        return self

    def clone(self) -> Self:
        """Return an independent copy whose weights may be changed."""
        other = copy.deepcopy(self)
        other.__dict__.pop("digest", None)
        return other

    def folded(self) -> Self:
        """Return a copy for many passes with the weights as they are: batch normalisations folded into what is before them.

        From pixels to features, outputs and gradients of the input are this network's up to rounding; at a cut between a
        convolution and its normalisation they are not. The text tower is shared. A network without batch normalisation, one
        that torch.fx cannot follow, or one whose copy does not agree on random images, is returned itself.
        """
        if not any(isinstance(module, _BatchNorm) for module in self.module.modules()):
            return self
        try:
            module = fold_batch_norm(self.module)
        except ModelError:
            return self
        other = copy.copy(self)
        other.module = module.requires_grad_(False)
        other.__dict__.pop("digest", None)
        return other if self._agrees(other) else self

    @torch.no_grad()
    def _agrees(self, other: Backbone) -> bool:
        """Whether another network gives the same features on two random images, to rounding."""
        side = self.preprocess.size
        x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.device, self.dtype)
        expected, found = self.run(x).float(), other.run(x).float()
        tolerance = 1e-3 if self.dtype == torch.float32 else 0.1
        return bool((found - expected).abs().max() <= tolerance * expected.abs().max().clamp_min(1e-12))

    @property
    def parameter_count(self) -> int:
        """Number of parameters of the whole network, text tower and head included."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of the architecture (activations and epsilons included) and of every weight's bytes."""
        state = hashlib.sha256(repr(self.module).encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            state.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return state.hexdigest()[:32]

    def __repr__(self) -> str:
        return f"load_backbone({self.name!r})"
