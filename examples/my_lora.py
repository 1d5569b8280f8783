"""A method of one's own in twenty lines: LoRA on the values alone, its two factors tied by a learned gain.

Run it beside the others, without installing anything:

    coldframe compare --methods linear-probe,lora,examples/my_lora.py:MyLora
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from coldframe.backbones.rewired import Layer
from coldframe.methods.tuned import Tuned, uniform


class MyLora(Tuned):
    """v' = W_v x + g * (B (A x)), with one learned number g a layer, from 0.

    Args:
        backbone: a vision transformer.
        rank: rows of A.
    """

    name: ClassVar[str] = "my-lora"
    rank: int = 4

    def _wants(self, layer: Layer) -> bool:
        return layer.place == "v"

    def _start(self, layer: Layer, generator: torch.Generator) -> dict[str, Tensor]:
        a, b = uniform(self.rank, layer.inputs, generator), uniform(layer.outputs, self.rank, generator)
        return {"A": a, "B": b, "g": torch.zeros(1)}

    def _layer(self, x: Tensor, layer: Layer, learned: Mapping[str, Tensor]) -> Tensor:
        return layer(x) + learned["g"] * (x @ learned["A"].T @ learned["B"].T)

    def _weights(self, layer: Layer, learned: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return layer.weight + learned["g"] * learned["B"] @ learned["A"], layer.bias
