"""Changes of single numbers per channel: SSF, IA3, BitFit, and tuning normalisation alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.rewired import Layer
from coldframe.methods.tuned import MLP, Tuned

NORMS = ("layer-norm", "batch-norm")


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """Return [D] so that it multiplies the channels of tokens [.., D] or of maps [B, D, H, W]."""
    return values if like.ndim != 4 else values[:, None, None]


class SSF(Tuned):
    """y' = gamma y + beta after every linear layer, convolution and normalisation of the tuned blocks.

    Args:
        backbone: any backbone of blocks.

    Merged exactly: gamma and beta go into the layer's own weight and bias. Published: VTAB-1k, ViT-B/16 of ImageNet-21k: 73.1.
    The start is gamma = 1, beta = 0, so that nothing changes; the published code draws both with a spread of 0.02. A
    normalisation that has its activation inside is changed before the activation.

    Source:
        Lian et al., Scaling & Shifting Your Features: A New Baseline for Efficient Model Tuning (2022), arXiv 2210.08823.
        Preset ``lian2022`` leaves ``lr`` to a sweep on validation, as the original chooses it for every data set.
    """

    name: ClassVar[str] = "ssf"
    spoken: ClassVar[str] = "SSF"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "lian2022": {"last": "all", "optimiser": "adamw", "epochs": 100, "batch_size": 32, "schedule": "cosine"},
    }

    def _wants(self, layer: Layer) -> bool:
        return layer.place != "mlp"

    def _needs(self) -> str:
        return "layers with weights"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        return {"gamma": torch.ones(layer.outputs), "beta": torch.zeros(layer.outputs)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        if layer.place in NORMS:
            return layer.run(x, *self._weights(layer, learned))
        y = layer(x)
        return y * _wide(learned["gamma"], y) + _wide(learned["beta"], y)

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        gamma, beta = learned["gamma"], learned["beta"]
        weight = gamma.view(-1, *[1] * (layer.weight.ndim - 1)) * layer.weight
        return weight, beta if layer.bias is None else gamma * layer.bias + beta


class BitFit(Tuned):
    """Only the biases that the tuned blocks have are trained, those of normalisation included.

    Args:
        backbone: any backbone of blocks.

    Merged exactly. Published: VTAB-1k, ViT-B/16 of ImageNet-21k: 62.1.

    Source:
        Zaken et al., BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models (2022),
        arXiv 2106.10199.
    """

    name: ClassVar[str] = "bitfit"
    spoken: ClassVar[str] = "BitFit"
    _instead: ClassVar[str] = "choose ssf"

    def _wants(self, layer: Layer) -> bool:
        return layer.bias is not None

    def _needs(self) -> str:
        return "biases"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        assert layer.bias is not None
        return {"bias": layer.bias}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        return layer.run(x, layer.weight, learned["bias"])

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return layer.weight, learned["bias"]


class NormTune(Tuned):
    """Only weight and bias of the layer normalisations are trained, the one after the last block included.

    Args:
        backbone: a network with layer normalisation.

    Merged exactly.

    Source:
        Frankle, Schwab and Morcos (2021), arXiv 2003.00152, for batch normalisation; Basu et al., Strong Baselines for
        Parameter-Efficient Few-Shot Fine-tuning (2023), arXiv 2304.01917, for layer normalisation of vision transformers.
    """

    name: ClassVar[str] = "ln-tune"
    spoken: ClassVar[str] = "LN-tune"
    _place: ClassVar[str] = "layer-norm"
    _instead: ClassVar[str] = "choose bn-tune, ssf or fine-tune"

    def _wants(self, layer: Layer) -> bool:
        return layer.place == self._place

    def _needs(self) -> str:
        return f"{self._place}alisation".replace("-", " ")

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        return {"weight": layer.weight} if layer.bias is None else {"weight": layer.weight, "bias": layer.bias}

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return learned["weight"], learned.get("bias")


class BatchNormTune(NormTune):
    """Only weight and bias of the batch normalisations are trained; their statistics stay those of pretraining.

    Args:
        backbone: a network with batch normalisation.

    Merged exactly.

    Source:
        Frankle, Schwab and Morcos, Training BatchNorm and Only BatchNorm (2021), arXiv 2003.00152.
    """

    name: ClassVar[str] = "bn-tune"
    spoken: ClassVar[str] = "BN-tune"
    _place: ClassVar[str] = "batch-norm"
    _instead: ClassVar[str] = "choose ln-tune, ssf or fine-tune"


class IA3(Tuned):
    """Keys, values and the perceptron's hidden units are each multiplied by a learned number, from 1.

    k' = l_k k, v' = l_v v, mlp(x) = W2 (l_f act(W1 x)) + b2.

    Args:
        backbone: a vision transformer.

    Merged exactly: l_k and l_v scale rows, l_f scales the columns of W2.

    Source:
        Liu et al., Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning (2022),
        arXiv 2205.05638.
    """

    name: ClassVar[str] = "ia3"
    spoken: ClassVar[str] = "IA3"
    _instead: ClassVar[str] = "choose ssf, bn-tune or fine-tune"

    def _wants(self, layer: Layer) -> bool:
        return layer.place in ("k", "v", MLP[1])

    def _needs(self) -> str:
        return "keys, values and perceptrons of transformer blocks"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        return {"gain": torch.ones(layer.inputs if layer.place == "fc2" else layer.outputs)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        if layer.place == "fc2":
            return functional.linear(x * learned["gain"], layer.weight, layer.bias)
        return layer(x) * learned["gain"]

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        if layer.place == "fc2":
            return layer.weight * learned["gain"], layer.bias
        return learned["gain"][:, None] * layer.weight, None if layer.bias is None else learned["gain"] * layer.bias
