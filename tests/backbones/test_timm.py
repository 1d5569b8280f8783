"""timm's networks: cut anywhere, they are themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from contracts import check_backbone, cuts_of
from drawn import same_line

from coldframe.backbones import load_backbone
from coldframe.backbones.timm import IMAGENET, _names, cut, preprocess_of
from coldframe.backbones.timm_weights import network
from coldframe.backbones.transformer import Block, PreNormBlock, transformer_of
from coldframe.errors import ModelError, WeightsNotFound
from coldframe.files import write_safetensors
from coldframe.types import Preprocess, digest_of

ROWS = {
    "vit_tiny_patch16_224": ({"img_size": 64, "depth": 3, "embed_dim": 48}, 6),
    "vit_small_patch14_reg4_dinov2": ({"img_size": 56, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "vit_base_patch32_clip_224": ({"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "vit_base_patch16_siglip_224": ({"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "deit3_small_patch16_224": ({"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "deit_tiny_distilled_patch16_224": ({"img_size": 64, "depth": 2, "embed_dim": 48}, 5),
    "beit_base_patch16_224": ({"img_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 3}, 2),
    "vit_small_patch16_dinov3": ({"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "eva02_tiny_patch14_224": ({"img_size": 56, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "vit_small_patch16_rope_mixed_224": ({"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}, 5),
    "vit_tiny_r_s16_p8_224": ({"img_size": 64, "depth": 2}, 4),
    "swin_tiny_patch4_window7_224": ({"img_size": 64, "window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 24}, 7),
    "swinv2_cr_tiny_224": ({"img_size": 64, "window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 24}, 6),
    "convnext_atto": ({}, 15),
    "test_maxvit": ({"img_size": 64}, 8),
    "resnet18": ({}, 11),
    "resnetv2_18": ({}, 10),
    "resnet10t": ({}, 7),
    "efficientnet_b0": ({}, 19),
    "tf_efficientnet_lite0": ({}, 20),
    "mobilenetv3_small_100": ({}, 15),
    "densenet121": ({"growth_rate": 8, "block_config": (2, 2, 2, 2)}, 10),
    "regnety_002": ({}, 16),
    "mixer_s32_224": ({"img_size": 64}, 10),
}
"""Name -> (settings that make it small, least number of cuts)."""


@pytest.mark.parametrize("name", ROWS)
def test_contract(name: str) -> None:
    settings, cuts = ROWS[name]
    net = network(name, num_classes=7, **settings)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(0))
    size = settings.get("img_size", 64)
    pixels = Preprocess(size, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.02)
    backbone = cut(f"timm:{name}", net, pixels, classes=[f"class {k}" for k in range(7)])
    assert len(backbone.cuts) >= cuts, backbone.cuts
    head = None if "distilled" in name else net
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    tower = None
    if head is None:
        tower = torch.nn.ModuleList([net.blocks, net.patch_embed, net.norm])
    check_backbone(backbone, images, lambda x: net.forward_head(net.forward_features(x), pre_logits=True), head, tower)
    same_line(__file__, "cuts", f"timm {name}", cuts_of(backbone, images))


def test_embed_is_the_convolution_alone() -> None:
    backbone = load_backbone("timm:test_vit/random")
    x, v = torch.randn(2, 1, 3, 160, 160)
    zero = backbone.run(torch.zeros_like(x), stop="embed")
    torch.testing.assert_close(
        backbone.run(x + v, stop="embed"),
        backbone.run(x, stop="embed") + backbone.run(v, stop="embed") - zero,
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_preprocessing_is_that_of_the_weights() -> None:
    names = (
        "resnet18.a1_in1k", "vit_base_patch16_clip_224.openai", "swinv2_tiny_window8_256.ms_in1k",
        "eva02_base_patch14_448.mim_in22k_ft_in1k",
    )  # fmt: skip
    for name in names:
        config = timm.get_pretrained_cfg(name).to_dict()
        own = timm.data.create_transform(**timm.data.resolve_data_config(config), is_training=False).transforms
        found = preprocess_of(config)
        resize = own[0].size
        assert (found.mode == "squash") == (not isinstance(resize, int) and len(resize) == 2)
        assert found.resize == (resize if isinstance(resize, int) else resize[0])
        assert found.interpolation == own[0].interpolation.value
        assert (found.size, found.size) == tuple(own[1].size)
        assert torch.allclose(torch.tensor(found.mean), own[-1].mean.flatten())


def test_class_names_are_readable_and_differ() -> None:
    names = IMAGENET()
    assert (names[945], names[812], names[0]) == ("bell pepper", "space shuttle", "tench")
    assert len(set(names)) == 1000


def test_random_weights_are_the_same_each_time() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = load_backbone("timm:test_vit/random")
    assert torch.equal(torch.rand(1), expected), "the caller's random state moved"
    assert first.weights == "random"
    assert first.digest == load_backbone("timm:test_vit", pretrained=False).digest


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_local_checkpoint(tmp_path: Path, ending: str) -> None:
    net = timm.create_model("test_resnet", num_classes=5)
    path = tmp_path / f"mine{ending}"
    if ending == ".pth":
        torch.save({"state_dict": net.state_dict()}, path)
    else:
        write_safetensors(path, net.state_dict())
    backbone = load_backbone(f"timm:test_resnet@{path}")
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(backbone.head(backbone.run(x)), net.eval()(x))
    assert len(backbone.classes) == 5
    assert backbone.digest == load_backbone("timm:test_resnet", checkpoint=path).digest


def test_a_checkpoint_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2)
    state["extra"] = torch.zeros(1)
    state.pop("bn1.weight")
    with pytest.raises(ModelError) as caught:
        load_backbone(f"timm:test_resnet@{write_safetensors(tmp_path / 'bad.safetensors', state)}")
    message = str(caught.value)
    assert "lacks bn1.weight" in message and "unknown extra" in message and "layer1.0.conv1.weight ([1, 2]" in message
    assert "\n" not in message and len(message) < 600


def test_a_file_that_fits_two_paddings_is_marked(tmp_path: Path) -> None:
    torch.manual_seed(0)  # weights whose answers are as sure with either padding: without a warning
    path = write_safetensors(tmp_path / "w.safetensors", timm.create_model("efficientnet_lite0").state_dict())
    marked = load_backbone(f"timm:efficientnet_lite0@{path}").weights
    assert "if it came from TensorFlow, load timm:tf_efficientnet_lite0" in marked
    assert load_backbone(f"timm:tf_efficientnet_lite0@{path}").weights == "w.safetensors"


def test_weights_that_are_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("coldframe.backbones.hub.hub_cache", lambda: tmp_path)
    words = r"weights of timm:resnet18\.tv_in1k are not on this disk \(looked in .*--download"
    with pytest.raises(WeightsNotFound, match=words):
        load_backbone("timm:resnet18.tv_in1k")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:resnet8", "timm has no model 'resnet8'; did you mean"),
        ("timm:resnet18.a9_in1k", "timm has no weights 'resnet18.a9_in1k'; did you mean 'resnet18.a"),
        ("timm:resnet18/a1_in1k", "unknown ending 'a1_in1k'"),
        ("tim:resnet18", "unknown model 'tim:resnet18'; did you mean 'timm'"),
        ("", "unknown model ''"),
        ("timm:", "timm has no model ''"),
    ],
)
def test_unknown_names(name: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_backbone(name)
    assert words in str(caught.value) and len(str(caught.value)) < 250


def test_a_block_with_a_gate_is_taken_whole() -> None:
    """Its parts are not those of the plain block, so methods that change single layers leave it alone."""
    net = network("vit_tiny_patch16_224", num_classes=7, img_size=32, depth=2, embed_dim=48)
    backbone = cut("timm:gated", net, Preprocess(32, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    assert [type(each) for each in transformer_of(backbone).blocks] == [PreNormBlock, PreNormBlock]
    net.blocks[1].attn.gate = torch.nn.Linear(48, 48)
    assert [type(each) for each in transformer_of(backbone).blocks] == [PreNormBlock, Block]


def test_names_of_imagenets_classes_are_as_they_were() -> None:
    """They are what a picture is called: another word moves every table and page that shows them."""
    cranes = ["crane (large long-necked wading bird)", "crane (lifts and moves heavy)"]
    assert [name for name in IMAGENET() if "(" in name] == cranes
    assert digest_of(IMAGENET()) == "322665bcf017e8f29f6774a3ac60d682" and len(_names("imagenet-22k")) == 21841
    assert digest_of(_names("imagenet-22k")) == "3675f613710c6663eae533139d2e0f0b"


@pytest.mark.parametrize(
    ("size", "share", "mode", "filter_", "expected"),
    [
        (224, 0.9, "center", "bilinear", (248, "bilinear", "crop")),
        (224, 0.875, "squash", "lanczos", (224, "bicubic", "squash")),
        (288, 1.0, "border", "nearest", (288, "nearest", "crop")), (160, 0.95, "center", "bicubic", (168, "bicubic", "crop")),
    ],
)  # fmt: skip
def test_the_resize_is_the_size_over_the_share_of_the_crop(
    size: int, share: float, mode: str, filter_: str, expected: tuple[int, str, str]
) -> None:
    config = {"input_size": (3, size, size), "crop_pct": share, "crop_mode": mode, "interpolation": filter_}
    found = preprocess_of(config | {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)})
    assert (found.resize, found.interpolation, found.mode) == expected and found.size == size
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
