"""Layers by name: any number of them in one forward pass."""

from __future__ import annotations

import pytest
import torch

from coldframe.backbones import load_backbone
from coldframe.errors import InputError, ModelError
from coldframe.inspection.layers import _keep, _last, as_maps, grid_of, look, spatial_layers, watchable


def test_fifteen_layers_take_one_forward_pass() -> None:
    backbone = load_backbone("lite0/random")
    calls = []
    backbone.module.conv_stem.register_forward_hook(lambda *_: calls.append(1))
    names = [f"block{i}" for i in range(8)] + [f"blocks.{i}.0" for i in range(7)]
    images = torch.rand(2, 3, 224, 224)
    found = look(backbone, images, names)
    assert len(calls) == 1 and list(found) == names and len(names) == 15
    assert torch.equal(found["block3"], backbone.run(backbone.normalise(images), stop="block3"))
    assert torch.equal(found["blocks.0.0"], found["block1"]), "what block 0 returns is what enters block 1"


def test_a_layer_that_is_written_over_keeps_its_value() -> None:
    backbone = load_backbone("torchvision:resnet18/random")
    images = torch.rand(1, 3, 224, 224)
    found = look(backbone, images, ["layer1.0.bn1", "layer1.0.relu"])
    assert float(found["layer1.0.bn1"].min()) < 0, "the activation behind it works in place"
    assert not any(module._forward_hooks for module in backbone.module.modules()), "a hook was left behind"


def test_a_wrong_name_gets_the_nearest() -> None:
    backbone = load_backbone("timm:test_vit/random")
    with pytest.raises(InputError, match=r"no layer 'block33'; did you mean 'block3'"):
        look(backbone, torch.rand(1, 3, 160, 160), ["block33"])
    with pytest.raises(InputError, match=r"did you mean 'blocks.1.attn'"):
        look(backbone, torch.rand(1, 3, 160, 160), ["blocks.1.atn"])
    with pytest.raises(ModelError, match="does not run 'head'"):
        look(backbone, torch.rand(1, 3, 160, 160), ["embed", "head"])
    assert watchable(backbone)[:2] == ["embed", "block0"] and "pixels" not in watchable(backbone)
    assert "" not in watchable(backbone) and len(set(watchable(backbone))) == len(watchable(backbone))


def test_maps_of_any_layout() -> None:
    x = torch.randn(2, 5, 4, 4)
    assert torch.equal(as_maps(x, None, 2, "a"), x)
    assert torch.equal(as_maps(x.permute(0, 2, 3, 1), None, 2, "a"), x)
    tokens = torch.cat([torch.zeros(2, 3, 5), x.flatten(2).transpose(1, 2)], 1)  # [2, 3 + 16, 5]
    assert torch.equal(as_maps(tokens, (4, 4), 2, "a"), x)
    assert torch.equal(as_maps(tokens, None, 2, "a"), x)
    for wrong in (torch.zeros(2, 5), torch.zeros(8, 4, 5)):
        with pytest.raises(ModelError, match="from the layer 'a', found shape"):
            as_maps(wrong, None, 2, "a")


def test_early_middle_and_late() -> None:
    assert spatial_layers(load_backbone("lite0/random")) == ["block2", "block8", "block14"]
    backbone = load_backbone("timm:test_vit/random")
    assert spatial_layers(backbone) == ["block1", "block3", "block5"]
    assert grid_of(backbone) == (10, 10)


def test_maps_of_sides_that_differ_and_tokens_that_fill_their_grid() -> None:
    wide, same = torch.randn(2, 5, 4, 6), torch.randn(2, 4, 4, 4)
    assert as_maps(wide, None, 2, "a") is wide and as_maps(same, None, 2, "a") is same
    tokens = torch.randn(2, 16, 5)
    found = as_maps(tokens, (2, 8), 2, "a")
    assert found.shape == (2, 5, 2, 8) and torch.equal(found[0, :, 1, 3], tokens[0, 11])
    assert as_maps(tokens, (2, 9), 2, "a").shape == (2, 5, 4, 4)  # a grid with more places than tokens is another layer's
    with pytest.raises(ModelError, match="found shape"):
        as_maps(torch.zeros(2, 0, 4, 4), None, 2, "a")


def test_the_middles_of_as_many_parts_as_asked_for() -> None:
    backbone = load_backbone("timm:test_vit/random")
    assert [spatial_layers(backbone, count) for count in (1, 2)] == [["block3"], ["block1", "block4"]]
    assert spatial_layers(backbone, 6) == spatial_layers(backbone, 60) == [f"block{i}" for i in range(6)]


def test_the_first_of_what_was_given_back_is_kept() -> None:
    found: dict[str, torch.Tensor] = {}
    hook = _keep("a", found)
    hook(torch.nn.Identity(), None, (torch.ones(2), torch.zeros(3)))
    assert found["a"].tolist() == [1, 1]
    for wrong in ((), [torch.ones(2)]):
        with pytest.raises(ModelError, match="expected a tensor from the layer 'a', found a"):
            hook(torch.nn.Identity(), None, wrong)
    inner = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
    assert _last(torch.nn.Sequential(torch.nn.ReLU(), inner)) is inner[1] and isinstance(
        _last(torch.nn.Sequential()), torch.nn.Module
    )
