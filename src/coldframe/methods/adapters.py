"""Small perceptrons beside or behind the layers of a transformer: AdaptFormer and the adapters of Houlsby and Pfeiffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.rewired import Layer
from coldframe.methods.tuned import Tuned, uniform


class Bottleneck(Tuned):
    """D -> bottleneck -> D with an activation between; ``up`` starts from 0, so that nothing changes.

    Args:
        backbone: a vision transformer.
        bottleneck: numbers in the middle.
    """

    unmerged: ClassVar[str] = "there is an activation between its two layers; save it as it is"
    drawn: ClassVar[tuple[str, ...]] = ("down", "down_bias")
    _instead: ClassVar[str] = "choose ssf, bn-tune or fine-tune"

    bottleneck: int = 64

    def _needs(self) -> str:
        return "transformer blocks"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        width, inner = self._width(layer), self.bottleneck
        return {
            "down": uniform(inner, width, generator), "down_bias": torch.zeros(inner),
            "up": torch.zeros(layer.outputs, inner), "up_bias": torch.zeros(layer.outputs),
        }  # fmt: skip

    def _width(self, layer: Layer) -> int:
        return layer.outputs

    def _inner(self, x: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        return functional.linear(x, learned["down"], learned["down_bias"])

    def _outer(self, h: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
        return functional.linear(h, learned["up"], learned["up_bias"])


class AdaptFormer(Bottleneck):
    """mlp'(x) = mlp(x) + scale * up(relu(down(x))), on the normalised tokens x that enter the perceptron.

    Args:
        backbone: a vision transformer.
        scale: weight of the branch.

    Not merged. Published: VTAB-1k, ViT-B/16 of ImageNet-21k: 72.3.

    Source:
        Chen et al., AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition (2022), arXiv 2205.13535,
        equation 2. Preset ``chen2022`` leaves ``lr`` to a sweep on validation.
    """

    name: ClassVar[str] = "adaptformer"
    spoken: ClassVar[str] = "AdaptFormer"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "chen2022": {
            "bottleneck": 64, "scale": 0.1, "last": "all", "epochs": 100, "optimiser": "sgd", "weight_decay": 0.0,
            "schedule": "cosine",
        },
    }  # fmt: skip

    scale: float = 0.1

    def _wants(self, layer: Layer) -> bool:
        return layer.place == "mlp"

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        return layer(x) + self.scale * self._outer(self._inner(x, learned).relu(), learned)

    def _width(self, layer: Layer) -> int:
        return layer.inputs


class Adapter(Bottleneck):
    """h' = h + up(gelu(down(h))) behind attention and perceptron (``houlsby``), or behind the perceptron alone (``pfeiffer``).

    Args:
        backbone: a vision transformer.
        kind: where they stand.

    Not merged.

    Source:
        Houlsby et al., Parameter-Efficient Transfer Learning for NLP (2019), arXiv 1902.00751; Pfeiffer et al.,
        AdapterFusion (2021), arXiv 2005.00247. Presets take the place and the width of each, not their rates for language.
    """

    name: ClassVar[str] = "adapter"
    subject: ClassVar[str] = "the adapter"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "houlsby2019": {"bottleneck": 64, "kind": "houlsby", "last": "all"},
        "pfeiffer2021": {"bottleneck": 48, "kind": "pfeiffer", "last": "all"},
    }

    kind: Literal["houlsby", "pfeiffer"] = "houlsby"

    def _wants(self, layer: Layer) -> bool:
        return layer.place == "mlp" or (layer.place == "o" and self.kind == "houlsby")

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        h = layer(x)
        return h + self._outer(functional.gelu(self._inner(h, learned)), learned)
