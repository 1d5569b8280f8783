"""A tiny network and pictures in memory, for tests that care about the house and not about models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.data.base import Split
from coldframe.types import EMBED, FEATURES, PIXELS, Preprocess, block

PREPROCESS = Preprocess(size=16, resize=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), interpolation="bilinear")


class Pictures:
    """N pictures of any size in memory, RGB uint8 [H, W, 3]."""

    def __init__(self, arrays: Sequence[NDArray[np.uint8]]) -> None:
        self.arrays = list(arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self.arrays[index])

    def digest(self, index: int) -> str:
        array = self.arrays[index]
        return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()[:32]

    def name(self, index: int) -> str:
        return f"picture {index}"


def pictures(n: int, seed: int = 0, side: int = 20) -> Pictures:
    """Return N pictures of noise, all different."""
    generator = np.random.default_rng(seed)
    return Pictures(list(generator.integers(0, 256, (n, side, side + 4, 3), dtype=np.uint8)))


def split(n: int, seed: int = 0, classes: int = 3, name: str = "train") -> Split:
    """Return N pictures of noise with labels in turn."""
    names = tuple(f"class {k}" for k in range(classes))
    return Split(name, pictures(n, seed), np.arange(n, dtype=np.int64) % classes, names)


def coloured(n: int, seed: int, name: str) -> Split:
    """Return pictures that a colour tells apart: easy, so that learning shows."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 3
    arrays = []
    for label in labels:
        picture = generator.integers(0, 110, (18, 18, 3))
        picture[..., label] += 120
        arrays.append(picture.astype(np.uint8))
    return Split(name, Pictures(arrays), labels, ("red", "green", "blue"))


class TinyNet(nn.Module):
    """A convolution, ``layers`` blocks over tokens, a mean. Nothing in it is symmetric to mirroring."""

    def __init__(self, width: int = 6, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 4, 4)
        self.position = nn.Parameter(torch.randn(16, width))
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)


class TinyBackbone(Backbone):
    """Cuts ``pixels, embed, block0 .. block{L-1}, features`` over :class:`TinyNet`; counts the images it embeds."""

    def __init__(self, seed: int = 0, layers: int = 2, preprocess: Preprocess = PREPROCESS, width: int = 6) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = TinyNet(width, layers)
        cuts = (PIXELS, EMBED, *(block(layer) for layer in range(layers)), FEATURES)
        super().__init__(f"tiny:{seed}", net, preprocess, cuts, width)
        self.net = net
        self.embedded = 0

    def _step(self, index: int, x: Tensor) -> Tensor:
        if index == 0:
            if not torch.compiler.is_exporting():  # where the batch is a symbol
                self.embedded += len(x)
            return self.net.embed(x)  # [B, D, 4, 4]
        if index == 1:
            return x.flatten(2).transpose(1, 2) + self.net.position  # [B, T, D]
        x = x + torch.tanh(self.net.blocks[index - 2](x).cumsum(1))
        return self.net.norm(x.mean(1)) if index == len(self.cuts) - 2 else x

    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        index = self.index(cut)
        if index == 0:
            return [self.net.embed]
        if index == 1:
            return [self.net.position]
        last = [self.net.norm] if index == len(self.cuts) - 2 else []
        return [self.net.blocks[index - 2], *last]


def tiny_clip(seed: int = 0, size: int = 16, context_length: int = 24, layers: int = 2, pool_type: str = "tok") -> Backbone:
    """Return a vision-language model of open_clip's own kind with random weights, 2 blocks in each tower, 24 features."""
    from open_clip.model import CLIP

    from coldframe.backbones.open_clip import adapt

    vision = {
        "image_size": size, "layers": layers, "width": 32, "patch_size": 4, "head_width": 16, "pool_type": pool_type,
    }  # fmt: skip
    text = {"context_length": context_length, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: Any = CLIP(24, vision, text, quick_gelu=True)
    preprocess = replace(PREPROCESS, size=size, resize=size)
    return adapt(f"tiny-clip:{seed}", net, _tokenizer(context_length), preprocess)


@cache
def _tokenizer(context_length: int) -> Any:
    import open_clip

    return open_clip.SimpleTokenizer(context_length=context_length)


def tiny_classifier(outputs: int = 7, seed: int = 0) -> Backbone:
    """Return a small convolutional network of timm's with random weights, a classifier and images of 32 x 32 pixels."""
    import timm

    from coldframe.backbones import timm as zoo
    from coldframe.backbones.checkpoint import drawn

    net: Any = drawn(lambda: timm.create_model("test_resnet", num_classes=outputs)).eval()
    if seed:
        with torch.no_grad():
            next(net.parameters()).mul_(1 + seed / 10)
    size = Preprocess(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return zoo.cut("timm:test_resnet", net, size, classes=[f"class {k}" for k in range(outputs)])
