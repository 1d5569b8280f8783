"""Model ids come apart and together again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coldframe.backbones import load_backbone
from coldframe.backbones.ids import ModelId, parse
from coldframe.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lite0", ModelId("lite0")),
        ("lite0/random", ModelId("lite0", random=True)),
        ("lite0@a/b.pth", ModelId("lite0", checkpoint=Path("a/b.pth"))),
        ("timm:resnet18.a1_in1k", ModelId("timm", "resnet18.a1_in1k")),
        ("open_clip:ViT-B-32/openai", ModelId("open_clip", "ViT-B-32", "openai")),
        ("open_clip:ViT-B-32/openai/random", ModelId("open_clip", "ViT-B-32", "openai", random=True)),
        ("torchvision:resnet18/random", ModelId("torchvision", "resnet18", random=True)),
        ("timm:resnet18@C/a@b.safetensors", ModelId("timm", "resnet18", checkpoint=Path("C/a@b.safetensors"))),
        ("open_clip:hf-hub:someone/clip", ModelId("open_clip", "hf-hub:someone/clip")),
        ("open_clip:hf-hub:someone/clip/random", ModelId("open_clip", "hf-hub:someone/clip", random=True)),
        ("open_clip:hf-hub:a/b@c.pt", ModelId("open_clip", "hf-hub:a/b", checkpoint=Path("c.pt"))),
        ("open_clip:local-dir:/a/b@c/d", ModelId("open_clip", "local-dir:/a/b@c/d")),
        ("open_clip:local-dir:a/random", ModelId("open_clip", "local-dir:a", random=True)),
    ],
)
def test_there_and_back(text: str, expected: ModelId) -> None:
    assert parse(text) == expected
    assert str(expected) == text


def test_arguments_say_the_same_as_endings() -> None:
    assert parse("timm:resnet18", pretrained=False) == parse("timm:resnet18/random")
    assert parse("timm:resnet18", checkpoint="x.pth") == parse("timm:resnet18@x.pth")
    assert parse("timm:resnet18/random@x.pth").random is False


def test_precision() -> None:
    assert load_backbone("timm:test_vit/random", dtype="bf16").dtype == torch.bfloat16
    with pytest.raises(InputError, match="expected dtype fp32 or bf16, found 'fp8'"):
        load_backbone("timm:test_vit/random", dtype="fp8")
