"""The features are what the classifier is given, and where that is not so there is no head."""

from __future__ import annotations

import pytest
import timm
import torch

from coldframe.backbones.pooling import Pooling, classifier_of, features_of, forward_features
from coldframe.errors import ModelError


def test_head_follows_the_features() -> None:
    net = timm.create_model("test_resnet").eval()
    pooling = Pooling(net, 64)
    assert classifier_of(net) == "fc" and pooling.followed_by("fc")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = features_of(net, forward_features(net, x))
        torch.testing.assert_close(net.fc(features), net(x))
    assert features.shape == (2, pooling.width)


def test_other_heads_are_told_apart() -> None:
    net = timm.create_model("deit_tiny_distilled_patch16_224", depth=1, embed_dim=24, img_size=32).eval()
    assert classifier_of(net) is None
    assert not Pooling(net, 32).followed_by("head"), "two heads are averaged there"
    assert classifier_of(timm.create_model("test_resnet", num_classes=0)) is None


def test_a_convolution_can_be_the_head() -> None:
    net = timm.create_model("resnetv2_18", num_classes=9).eval()
    assert isinstance(net.head.fc, torch.nn.Conv2d)
    assert classifier_of(net) == "head.fc" and Pooling(net, 64).followed_by("head.fc")


def test_networks_without_one_vector_an_image_are_refused() -> None:
    with pytest.raises(ModelError, match=r"expected one feature vector per image from ResNet, found shape \[512, 2, 2\]"):
        Pooling(timm.create_model("resnet18", global_pool="").eval(), 64)
    with pytest.raises(ModelError, match="expected one tensor of features from CrossVit, found a list"):
        Pooling(timm.create_model("crossvit_9_240").eval(), 240)
