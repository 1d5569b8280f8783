"""Low-rank changes of frozen weights: LoRA, DoRA, LoKr, and LoRA for convolutions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from coldframe.backbones.rewired import Layer
from coldframe.errors import InputError, nearest
from coldframe.methods.tuned import MLP, Tuned, uniform

PLACES = ("q", "k", "v", "o", "mlp")


def places_of(text: str) -> set[str]:
    """Return the layers that ``q,k,v,o,mlp`` names. Raises :class:`InputError` for others."""
    found: set[str] = set()
    for name in (part.strip() for part in text.split(",")):
        if name not in PLACES:
            known = f"{', '.join(PLACES)}, separated by commas"
            raise InputError(f"expected places of {known}, found {name!r}{nearest(name, PLACES)}")
        found |= set(MLP) if name == "mlp" else {name}
    return found


class LoRA(Tuned):
    """W' = W + (alpha / rank) B A at the named layers, with A [rank, in] drawn and B [out, rank] from 0.

    Args:
        backbone: a vision transformer.
        rank: of the change, r.
        alpha: the change is scaled by alpha / rank.
        places: which layers, separated by commas: ``q``, ``k``, ``v``, ``o`` (after attention), ``mlp`` (both of it).
        dropout: share of the layer's input that the change does not see in training.

    Merged exactly. Published: CLIP B/16, all blocks and both towers, 16 shots, mean of 11 data sets: 83.0; VTAB-1k, ViT-B/16
    of ImageNet-21k: 72.25.

    Source:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (2021), arXiv 2106.09685. Preset ``zanella2024``: Zanella
        and Ben Ayed, Low-Rank Few-Shot Adaptation of Vision-Language Models (2024), arXiv 2405.18541; it tunes the text tower
        as well and counts steps (500 for each shot), here only the image tower is tuned and epochs are counted.
    """

    name: ClassVar[str] = "lora"
    spoken: ClassVar[str] = "LoRA"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "zanella2024": {
            "rank": 2, "alpha": 1.0, "places": "q,k,v", "dropout": 0.25, "last": "all", "lr": 2e-4, "batch_size": 32,
            "optimiser": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0,
        },
    }  # fmt: skip
    drawn: ClassVar[tuple[str, ...]] = ("A",)
    _instead: ClassVar[str] = "choose conv-lora, bn-tune, ssf or fine-tune"

    rank: int = 8
    alpha: float = 16.0
    places: str = "q,k,v,o,mlp"
    dropout: float = 0.0

    def _wants(self, layer: Layer) -> bool:
        return layer.place in places_of(self.places)

    def _needs(self) -> str:
        return f"transformer blocks with the linear layers {self.places}"

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        return {"A": uniform(self.rank, layer.inputs, generator), "B": torch.zeros(layer.outputs, self.rank)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        return layer(x) + self.scale * self._low(self.dropped(x, self.dropout), learned)

    def _low(self, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        return functional.linear(functional.linear(x, learned["A"]), learned["B"])

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return layer.weight + self.scale * learned["B"] @ learned["A"], layer.bias


class DoRA(LoRA):
    """W' = m (W + s B A) / |W + s B A|, row by row, with learned lengths m [out] from |W| and s = alpha / rank.

    As published, gradients do not flow through the length in the denominator.

    Args:
        backbone: a vision transformer.

    Merged exactly.

    Source:
        Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation (2024), arXiv 2402.09353, section 4.3.
    """

    name: ClassVar[str] = "dora"
    spoken: ClassVar[str] = "DoRA"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        return {**super()._start(layer, generator), "m": layer.weight.norm(dim=1)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        frozen = functional.linear(x, layer.weight)
        low = self.scale * self._low(self.dropped(x, self.dropout), learned)
        y = self._factor(layer, learned) * (frozen + low)
        return y if layer.bias is None else y + layer.bias

    def _factor(self, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            length = (layer.weight + self.scale * learned["B"] @ learned["A"]).norm(dim=1)
        factor: Tensor = learned["m"] / length
        return factor

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return self._factor(layer, learned)[:, None] * super()._weights(layer, learned)[0], layer.bias


class LoKr(LoRA):
    """W' = W + (alpha / rank) C (x) (B A): a Kronecker product of a small matrix C from 0 and a low-rank one.

    C is [o1, i1], B [o2, rank], A [rank, i2], with o1 o2 = out and i1 i2 = in; o1 and i1 are the largest divisors up to
    ``factor``.

    Args:
        backbone: a vision transformer.
        factor: most rows and columns of C.

    Merged exactly.

    Source:
        Yeh et al., Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation (2023),
        arXiv 2309.14859; the Kronecker product as in Edalati et al., KronA (2022), arXiv 2212.10650.
    """

    name: ClassVar[str] = "lokr"
    spoken: ClassVar[str] = "LoKr"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    drawn: ClassVar[tuple[str, ...]] = ("A", "B")

    factor: int = 8

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        o1, i1 = _divisor(layer.outputs, self.factor), _divisor(layer.inputs, self.factor)
        left = uniform(layer.outputs // o1, self.rank, generator)
        return {"A": uniform(self.rank, layer.inputs // i1, generator), "B": left, "C": torch.zeros(o1, i1)}

    def _low(self, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        parts = x.reshape(*x.shape[:-1], learned["C"].shape[1], -1)  # [.., i1, i2]
        return (learned["C"] @ super()._low(parts, learned)).flatten(-2)  # [.., o1 o2]

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return layer.weight + self.scale * torch.kron(learned["C"], learned["B"] @ learned["A"]), layer.bias


def _divisor(width: int, most: int) -> int:
    return max(number for number in range(1, min(width, most) + 1) if width % number == 0)


class ConvLoRA(Tuned):
    """W' = W + (alpha / rank) B * A at every ungrouped convolution: A with rank filters of its size, B of 1 x 1 from 0.

    Args:
        backbone: a convolutional network.
        rank: of the change, r.
        alpha: the change is scaled by alpha / rank.

    Merged exactly.

    Source:
        Hu et al. (2021), arXiv 2106.09685, in the form for convolutions of its authors' code and of the library peft.
    """

    name: ClassVar[str] = "conv-lora"
    spoken: ClassVar[str] = "Conv-LoRA"
    drawn: ClassVar[tuple[str, ...]] = ("A",)
    _instead: ClassVar[str] = "choose lora or ssf"

    rank: int = 8
    alpha: float = 16.0

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    def _wants(self, layer: Layer) -> bool:
        return layer.place == "conv" and isinstance(layer.module, nn.Conv2d) and layer.module.groups == 1

    def _needs(self) -> str:
        return "convolutions"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        shape = layer.weight.shape[1:]
        filters = uniform(self.rank, math.prod(shape), generator).view(self.rank, *shape)
        return {"A": filters, "B": torch.zeros(layer.outputs, self.rank)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        low = layer.run(x, learned["A"], None)  # [B, r, H, W]
        return layer(x) + self.scale * functional.conv2d(low, learned["B"][:, :, None, None])

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return layer.weight + self.scale * torch.einsum("or,rihw->oihw", learned["B"], learned["A"]), layer.bias
