"""Feature maps are chosen by a rule and scaled for the eye."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.inspection.layers import look
from coldframe.inspection.maps import by_variance, feature_maps, scaled, token_norms
from coldframe.types import PROJECTION

Tiny, Photo = Callable[[str], Backbone], Callable[[Backbone], torch.Tensor]


def test_each_map_goes_from_zero_to_one() -> None:
    maps = np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32)
    maps[2] = 3.0
    found = scaled(maps)
    assert found[[0, 1, 3]].min((1, 2)).tolist() == [0, 0, 0] and found[[0, 1, 3]].max((1, 2)).tolist() == [1, 1, 1]
    assert not found[2].any(), "a constant map has nothing to show"
    order = maps[0].ravel().argsort()
    assert (np.diff(found[0].ravel()[order]) >= 0).all()


def test_the_most_varied_come_first() -> None:
    maps = np.stack([np.eye(3) * size for size in (1, 5, 3, 0)]).astype(np.float32) + 100
    assert by_variance(maps, 3) == (1, 2, 0)


@pytest.mark.parametrize("name", ["resnet10t", "deit3_small_patch16_224", "swin_tiny_patch4_window7_224"])
def test_maps_of_every_family(name: str, tiny: Tiny, photo: Photo) -> None:
    backbone = tiny(name)
    image = photo(backbone)
    found = feature_maps(backbone, image, maps=4)
    assert len(found) == 3
    for layer in found:
        activation = backbone.run(backbone.normalise(image[None]), stop=layer.layer)
        assert layer.values.shape == (4, *layer.shape[1:]) and layer.variances == tuple(sorted(layer.variances, reverse=True))
        channel = layer.channels[0]
        if name == "resnet10t":
            own = activation[0, channel]
        elif name.startswith("swin"):
            own = activation[0, :, :, channel]
        else:
            own = activation[0, 1:, channel].reshape(layer.shape[1:])
        np.testing.assert_allclose(layer.values[0], scaled(own[None].numpy())[0], atol=1e-6)


def test_by_number(tiny: Tiny, photo: Photo) -> None:
    backbone = tiny("resnet10t")
    (found,) = feature_maps(backbone, photo(backbone), ["layer1"], channels=[7, 2])
    assert found.channels == (7, 2) and found.layer == "layer1"
    with pytest.raises(InputError, match="from 0 to 63 in the layer 'layer1', found 64"):
        feature_maps(backbone, photo(backbone), ["layer1"], channels=[64])
    with pytest.raises(InputError, match="at least one map"):
        feature_maps(backbone, photo(backbone), maps=0)


def test_norms_of_tokens(tiny: Tiny, photo: Photo) -> None:
    backbone = tiny("vit_small_patch14_reg4_dinov2")
    image = photo(backbone)
    norms = token_norms(backbone, image)
    assert list(norms) == ["block0", "block1"]
    tokens = backbone.run(backbone.normalise(image[None]), stop="block1")[0]
    np.testing.assert_allclose(norms["block1"].ravel(), tokens[-16:].norm(dim=1).numpy(), rtol=1e-5)
    windows = tiny("swin_tiny_patch4_window7_224")
    assert token_norms(windows, photo(windows))["block0"].shape == (16, 16)


def test_a_projected_vector_is_no_map() -> None:
    backbone = load_backbone("pocket/random")
    side = backbone.preprocess.size
    found = token_norms(backbone, torch.zeros(3, side, side, dtype=torch.uint8))
    assert PROJECTION in backbone.cuts and PROJECTION not in found and len(found) > 2


def test_the_first_and_the_last_channel_and_the_first_that_is_none(tiny: Tiny, photo: Photo) -> None:
    backbone = tiny("resnet10t")
    (found,) = feature_maps(backbone, photo(backbone), ["layer1", "layer1"], channels=[0, 63])
    assert found.channels == (0, 63) and found.shape[0] == 64 and len(found.variances) == 2
    own = look(backbone, photo(backbone)[None], ["layer1"])["layer1"][0, [0, 63]].numpy()
    np.testing.assert_allclose(found.variances, own.var((1, 2)), rtol=1e-5)
    for wrong, first in (([-1, 70], -1), ([2, 64, -3], 64)):
        with pytest.raises(InputError, match=f"found {first}$"):
            feature_maps(backbone, photo(backbone), ["layer1"], channels=wrong)
    assert len(feature_maps(backbone, photo(backbone), ["layer1"], maps=1)[0].channels) == 1
