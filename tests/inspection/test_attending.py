"""Attention is read as it is computed, in whatever class, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError
from coldframe.inspection.attending import Watching, _read, attention, by_block, rolled

Tiny, Photo = Callable[[str], Backbone], Callable[[Backbone], torch.Tensor]


@pytest.mark.parametrize("mask", [None, "bool", "float"])
@pytest.mark.parametrize("kind", ["fused", "module", "plain"])
@torch.no_grad()
def test_every_way_to_attend_is_seen(kind: str, mask: str | None) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 5, 8, generator=generator)  # [2, 4, 5, 8] each
    closed = torch.ones(5, 5).triu(1).bool()
    added = torch.zeros(5, 5).masked_fill(closed, -torch.inf)
    scores = q @ k.transpose(-2, -1) / 8**0.5
    expected = (scores + added if mask else scores).softmax(-1)
    with Watching() as watch:
        if kind == "fused":
            given = {None: None, "bool": ~closed, "float": added}[mask]
            output = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=given)
        elif kind == "plain":
            output = (scores + added if mask else scores).softmax(dim=-1) @ v
        else:
            module = nn.MultiheadAttention(32, 4, batch_first=True).eval()
            module.in_proj_weight.copy_(torch.eye(32).repeat(3, 1))
            flat = [x.transpose(1, 2).flatten(2) for x in (q, k, v)]
            given = {None: None, "bool": closed, "float": added}[mask]
            output, none = module(*flat, need_weights=False, attn_mask=given)
            assert none is None
            whole, weights = module(*flat, need_weights=True, attn_mask=given)
            torch.testing.assert_close(weights, expected.mean(1))
            torch.testing.assert_close(whole, output)
            watch.found.pop()
    (found,) = watch.found
    torch.testing.assert_close(found, expected)
    if kind != "module":
        torch.testing.assert_close(output, expected @ v)


FAMILIES = [
    "deit3_small_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_base_patch16_siglip_224", "vit_small_patch16_dinov3",
    "beit_base_patch16_224",
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_sum_to_one_and_the_features_stay(name: str, tiny: Tiny, photo: Photo) -> None:
    backbone = tiny(name)
    image = photo(backbone)
    weights = dict(by_block(backbone, image))
    assert len(weights) == (3 if name.startswith("deit3") else 2)
    for block in weights.values():
        torch.testing.assert_close(block.sum(-1), torch.ones(block.shape[:2]))
        assert float(block.std()) > 0
    x = backbone.normalise(image[None])
    with Watching(), torch.no_grad():
        watched = backbone.run(x)
    torch.testing.assert_close(watched, backbone.run(x))
    found = attention(backbone, image)
    assert found is not None
    assert found.reader == ("the mean over all patches" if "siglip" in name else "the class token")
    assert found.rollout.shape == next(iter(found.heads.values())).shape[1:]


@pytest.mark.parametrize("name", ["pocket/random", "torchvision:vit_b_32/random"])
def test_multi_head_attention_of_torch(name: str, photo: Photo) -> None:
    backbone = load_backbone(name)
    found = attention(backbone, photo(backbone))
    assert found is not None and list(found.heads) == [f"block{i}" for i in range(12)]
    side = 8 if "pocket" in name else 7
    assert found.heads["block3"].shape == (5 if "pocket" in name else 12, side, side)
    tokens = backbone.run(backbone.normalise(photo(backbone)[None]), stop="block3")
    if "pocket" in name:
        block = backbone.module.visual.transformer.resblocks[3]
        own, attend = block.ln_1(tokens), block.attn
    else:
        block = backbone.module.encoder.layers[3]
        own, attend = block.ln_1(tokens), block.self_attention
    with torch.no_grad():
        expected = attend(own, own, own, need_weights=True, average_attn_weights=False)[1][0, :, 0, 1:]
    torch.testing.assert_close(torch.from_numpy(found.heads["block3"]).flatten(1), expected)


def test_windows_have_no_rollout(tiny: Tiny, photo: Photo) -> None:
    backbone = tiny("swin_tiny_patch4_window7_224")
    with pytest.raises(ModelError, match=r"rollout is not defined for timm:swin_tiny.*window") as caught:
        attention(backbone, photo(backbone))
    assert "\n" not in str(caught.value)


def test_convolutions_do_not_attend(tiny: Tiny, photo: Photo) -> None:
    backbone = tiny("resnet10t")
    assert attention(backbone, photo(backbone)) is None


def test_rollout_is_the_product_of_mixed_attention() -> None:
    generator = torch.Generator().manual_seed(1)
    blocks = [torch.rand(3, 6, 6, generator=generator).softmax(-1) for _ in range(4)]
    mixed = [(block.mean(0) + torch.eye(6)) / 2 for block in blocks]
    found = rolled(blocks)
    torch.testing.assert_close(found, mixed[3] @ mixed[2] @ mixed[1] @ mixed[0])
    torch.testing.assert_close(found.sum(-1), torch.ones(6))
    torch.testing.assert_close(rolled([torch.eye(6).expand(2, 6, 6)] * 5), torch.eye(6))
    with pytest.raises(InputError, match="at least one block"):
        rolled([])


@torch.no_grad()
def test_what_a_watched_call_gives_back_is_what_it_gave() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 5, 2, 8, generator=generator)  # [T, B, D]
    layer = nn.MultiheadAttention(8, 2)
    given = (
        q,
        k,
        v,
        8,
        2,
        layer.in_proj_weight,
        layer.in_proj_bias,
        None,
        None,
        False,
        0.0,
        layer.out_proj.weight,
        layer.out_proj.bias,
    )
    for wanted in ({}, {"need_weights": False}, {"average_attn_weights": False}):
        expected = nn.functional.multi_head_attention_forward(*given, **wanted)  # type: ignore[arg-type]
        with Watching() as watch:
            found = nn.functional.multi_head_attention_forward(*given, **wanted)  # type: ignore[arg-type]
        torch.testing.assert_close(found, expected)
        assert [tuple(weights.shape) for weights in watch.found] == [(2, 2, 5, 5)]
    with Watching() as watch:
        nn.functional.scaled_dot_product_attention(q, k, v, scale=0.25)
        torch.softmax(q, -1)  # of three dimensions: no attention of heads
    (weights,) = watch.found
    torch.testing.assert_close(weights, (0.25 * q @ k.transpose(-2, -1)).softmax(-1))


def test_a_row_is_that_of_the_class_token_or_the_mean_of_all() -> None:
    weights = torch.arange(32.0).view(2, 4, 4)
    assert torch.equal(_read(weights, 1), weights[:, 0, 1:]) and torch.equal(_read(weights, 0), weights.mean(1))
