"""Small networks of every family, with all weights drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from coldframe.backbones.base import Backbone
from coldframe.backbones.timm import cut
from coldframe.backbones.timm_weights import network
from coldframe.types import Preprocess

SETTINGS = {
    "deit3_small_patch16_224": {"img_size": 64, "depth": 3, "embed_dim": 48, "num_heads": 3},
    "vit_small_patch14_reg4_dinov2": {"img_size": 56, "depth": 2, "embed_dim": 48, "num_heads": 3},
    "vit_base_patch16_siglip_224": {"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3},
    "vit_small_patch16_dinov3": {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3},
    "beit_base_patch16_224": {"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3},
    "swin_tiny_patch4_window7_224": {"img_size": 64, "window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 24},
    "resnet10t": {},
}


@cache
def small(name: str) -> Backbone:
    size = SETTINGS[name].get("img_size", 64)
    assert isinstance(size, int)
    net = network(name, num_classes=7, **SETTINGS[name])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return cut(f"timm:{name}", net, Preprocess(size, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


@pytest.fixture
def tiny() -> Callable[[str], Backbone]:
    """Return a function from the name of a timm network to a small one of its kind."""
    return small


def picture(backbone: Backbone, seed: int = 0) -> torch.Tensor:
    size = backbone.preprocess.size
    return torch.rand(3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def photo() -> Callable[[Backbone], torch.Tensor]:
    """Return a function from a backbone to a picture of its size, [3, S, S] in [0, 1]."""
    return picture
