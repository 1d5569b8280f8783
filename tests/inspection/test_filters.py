"""The first layer as one RGB picture."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import TinyBackbone
from torch import Tensor, nn

from coldframe.backbones import load_backbone
from coldframe.errors import InputError, ModelError
from coldframe.inspection.filters import first_convolution, rgb, sheet


def test_each_filter_by_its_own_largest_weight() -> None:
    filters = np.random.default_rng(0).normal(size=(5, 3, 7, 7)).astype(np.float32)
    filters[1] *= 100
    filters[2] = 0
    found = rgb(filters, eps=1e-4)
    for number in (0, 1, 3, 4):
        own = filters[number] / (2 * (np.abs(filters[number]).max() + 1e-4)) + 0.5
        np.testing.assert_allclose(found[number], own.transpose(1, 2, 0), rtol=1e-6)
    assert (found[2] == 0.5).all() and found.min() > 0 and found.max() < 1
    with pytest.raises(InputError, match=r"\[N, 3, h, w\]"):
        rgb(filters[:, :2])


def test_the_sheet_holds_every_filter() -> None:
    pictures = np.random.default_rng(1).uniform(size=(7, 3, 3, 3)).astype(np.float32)
    whole = sheet(pictures, columns=4)
    assert whole.shape == (7, 15, 3)
    np.testing.assert_array_equal(whole[4:7, 8:11], pictures[6])
    assert (whole[3] == 1).all() and (whole[4:, 12:] == 1).all()


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("lite0/random", "conv_stem", (32, 3, 3, 3)),
        ("pocket/random", "visual.conv1", (160, 3, 4, 4)),
        ("torchvision:resnet18/random", "conv1", (64, 3, 7, 7)),
        ("timm:test_vit/random", "patch_embed.proj", (64, 3, 16, 16)),
    ],
)
def test_the_first_convolution(name: str, layer: str, shape: tuple[int, ...]) -> None:
    found, weights = first_convolution(load_backbone(name))
    assert found == layer and weights.shape == shape


def test_without_a_first_convolution() -> None:
    backbone = TinyBackbone()
    assert first_convolution(backbone)[0] == "embed"
    backbone.net.embed = nn.Sequential(nn.Flatten(), nn.Linear(768, 6))
    with pytest.raises(ModelError, match=r"no first convolution over RGB to show: expected one, found a Linear layer first"):
        first_convolution(backbone)


def test_a_sheet_is_about_twice_as_wide_as_high() -> None:
    for count, shape in ((7, (2 * 4 - 1, 4 * 4 - 1, 3)), (1, (3, 3, 3)), (2, (3, 7, 3)), (32, (4 * 4 - 1, 8 * 4 - 1, 3))):
        assert sheet(np.zeros((count, 3, 3, 3), np.float32)).shape == shape
    assert sheet(np.zeros((3, 2, 5, 3), np.float32), columns=2, gap=4).shape == (2 * 6 - 4, 2 * 9 - 4, 3)
    with pytest.raises(InputError, match=r"found shape \[3, 7, 7\]"):
        rgb(np.zeros((3, 7, 7), np.float32))


def test_filters_over_one_channel_are_not_shown() -> None:
    backbone = TinyBackbone()
    backbone.net.embed = nn.Sequential(Brightness(), nn.Conv2d(1, 6, 16, 16))
    with pytest.raises(ModelError, match="found a Conv2d layer first"):
        first_convolution(backbone)


class Brightness(nn.Module):
    """One channel of three."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(1, keepdim=True)
