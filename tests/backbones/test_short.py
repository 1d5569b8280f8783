"""Names of models without their zoo."""

from __future__ import annotations

import pytest

from coldframe import load_backbone
from coldframe.backbones.ids import parse
from coldframe.backbones.short import completed
from coldframe.errors import ModelError


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("vit-b-32/openai", "open_clip:ViT-B-32/openai"),
        ("resnet18/IMAGENET1K_V1", "torchvision:resnet18/IMAGENET1K_V1"),
        ("mobilenetv2_100", "timm:mobilenetv2_100.ra_in1k"),
        ("resnet18.a2_in1k", "timm:resnet18.a2_in1k"),
        ("vit_tiny_patch16_224/random", "timm:vit_tiny_patch16_224/random"),
        ("mobilenetv2_100@a.safetensors?resize=256", "timm:mobilenetv2_100@a.safetensors?resize=256"),
    ],
)
def test_a_name_that_one_zoo_has_is_that_model(short: str, whole: str) -> None:
    assert str(completed(parse(short), short)) == whole


def test_a_name_of_several_names_them() -> None:
    with pytest.raises(ModelError, match=r"several models: torchvision:resnet18.IMAGENET1K_V1, timm:resnet18\.a1_in1k, "):
        load_backbone("resnet18")


def test_random_weights_are_taken_only_where_they_are_asked_for() -> None:
    with pytest.raises(ModelError, match=r"no trained weights of 'ViT-S-32' are known; .*open_clip:ViT-S-32/random"):
        load_backbone("ViT-S-32")
    assert load_backbone("test_vit/random").name == "timm:test_vit/random"


def test_what_no_zoo_has_stays_unknown() -> None:
    assert completed(parse("resnet1"), "resnet1") is None
    with pytest.raises(ModelError, match="unknown model 'resnet1'"):
        load_backbone("resnet1")
