"""open_clip's models: cut anywhere, they are themselves; zero-shot logits are open_clip's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from contracts import check_backbone, cuts_of, same
from drawn import same_line
from open_clip.model import CLIP, CustomTextCLIP
from torch import nn

from coldframe.backbones import load_backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.ids import parse
from coldframe.backbones.open_clip import OpenClipBackbone, _build, adapt, load, preprocess_of
from coldframe.errors import ModelError, WeightsNotFound
from coldframe.files import write_safetensors
from coldframe.types import Preprocess

PIXELS = Preprocess(32, 32, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
VISION: dict[str, Any] = {"image_size": 32, "layers": 3, "width": 32, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
ROWS: dict[str, dict[str, Any]] = {
    "class token": {},
    "mean": {"pool_type": "avg"},
    "norm after pooling": {"final_ln_after_pool": True, "no_ln_pre": True, "pool_type": "avg"},
    "fixed positions": {"pos_embed_type": "sin_cos_2d", "ls_init_value": 0.3},
    "own blocks": {"qk_norm": True, "scale_attn": True},
    "attention pooling": {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2},
    "with tokens": {"output_tokens": True},
    "patch dropout": {"patch_dropout": 0.5},
}


def tiny(kind: type[nn.Module] = CLIP, bias: float | None = None, **vision: Any) -> Any:
    """Build a small model whose every parameter has moved from its initialisation."""
    net: Any = drawn(lambda: kind(24, {**VISION, **vision}, dict(TEXT), quick_gelu=True, init_logit_bias=bias))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if not name.startswith("logit"):
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    return net.eval()


def staged(net: Any) -> OpenClipBackbone:
    return adapt("tiny", net, open_clip.SimpleTokenizer(context_length=12), PIXELS)


def pictures() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("row", ROWS)
def test_contract(row: str) -> None:
    net = tiny(**ROWS[row])
    backbone = staged(net)
    assert backbone.cuts == ("pixels", "embed", "block0", "block1", "block2", "pre-projection", "features")

    def own(x: torch.Tensor) -> torch.Tensor:
        found = net.visual(x)
        return found[0] if isinstance(found, tuple) else found

    check_backbone(backbone, pictures(), own, tower=net.visual)


def test_sequence_first_blocks() -> None:
    net = tiny()
    net.visual.transformer.batch_first = False
    for module in net.visual.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.batch_first = False
    check_backbone(staged(net), pictures(), net.encode_image, tower=net.visual)


def test_without_projection() -> None:
    net = tiny()
    net.visual.proj = None
    check_backbone(staged(net), pictures(), net.encode_image, tower=net.visual)


OTHERS = {
    "resnet": ({"layers": [1, 1, 1, 1], "width": 16, "patch_size": None}, 6),
    "timm convnext": ({"timm_model_name": "test_convnext", "timm_proj": "mlp"}, 6),
    "timm vit": ({"timm_model_name": "test_vit", "timm_pool": "token"}, 9),
    "timm vit, attention pooling": ({"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"}, 9),
}


@pytest.mark.parametrize("tower", OTHERS)
def test_other_towers(tower: str) -> None:
    vision, cuts = OTHERS[tower]
    net = tiny(**vision, image_size=64)
    backbone = adapt("tiny", net, open_clip.SimpleTokenizer(context_length=12), Preprocess(64, 64, PIXELS.mean, PIXELS.std))
    assert len(backbone.cuts) >= cuts, backbone.cuts
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    check_backbone(backbone, images, net.encode_image, tower=net.visual)
    same_line(__file__, "cuts", f"open_clip {tower}", cuts_of(backbone, images))


@pytest.mark.parametrize(("kind", "bias"), [(CLIP, None), (CustomTextCLIP, -2.0)])
def test_zero_shot_logits_are_open_clips_own(kind: type[nn.Module], bias: float | None) -> None:
    net = tiny(kind, bias)
    backbone = staged(net)
    assert backbone.text is not None
    tokens = backbone.text.tokenize(["a photo of a dog", "a cat", "Über-großer Hund"])
    assert tokens.shape == (3, 12) and backbone.text.unknown_words("Über-großer Hund") == []
    image = nn.functional.normalize(backbone.run(pictures()), dim=-1)
    text = nn.functional.normalize(backbone.text.encode(tokens), dim=-1)
    with torch.no_grad():
        expected = net.get_logits(pictures(), tokens)[0]
    same(backbone.logit_scale * image @ text.T + backbone.logit_bias, expected)


def test_bf16_keeps_the_temperature_and_the_clone_its_text_tower() -> None:
    backbone = staged(tiny(CustomTextCLIP))
    before = backbone.logit_scale
    half = backbone.clone().to(dtype=torch.bfloat16)
    assert half.logit_scale == before == pytest.approx(1 / 0.07) and half.dtype == torch.bfloat16
    assert half.text is not None and backbone.text is not None
    tokens = half.text.tokenize(["a dog", "a cat"])
    found, expected = half.text.encode(tokens), backbone.text.encode(tokens)
    assert found.dtype == torch.bfloat16 and expected.dtype == torch.float32
    same(found.float(), expected, 0.15)


@pytest.fixture
def small_architectures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Teach open_clip two tiny architectures and two sets of weights on a hub, one trained with QuickGELU."""
    from open_clip import factory, pretrained

    plain = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
    configs = {**factory._MODEL_CONFIGS, "Tiny": plain, "Tiny-quickgelu": {**plain, "quick_gelu": True}}
    tags = {
        "openai": {"hf_hub": "someone/tiny/", "quick_gelu": True, "mean": (0.1, 0.2, 0.3), "resize_mode": "squash"},
        "later": {"hf_hub": "someone/later/", "std": (0.4, 0.4, 0.4)},
    }
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", configs)
    monkeypatch.setattr(pretrained, "_PRETRAINED", {**pretrained._PRETRAINED, "Tiny": tags, "Tiny-quickgelu": tags})
    file = write_safetensors(tmp_path / "tiny.safetensors", tiny().state_dict())
    found = {"someone/tiny": file, "someone/later": file}
    monkeypatch.setattr("coldframe.backbones.hub.in_hub_cache", lambda repository, names: found.get(repository))
    return file


@pytest.mark.parametrize("name", ["Tiny", "Tiny-quickgelu"])
def test_activation_follows_the_weights_and_not_the_name(name: str, small_architectures: Path) -> None:
    quick = load_backbone(f"open_clip:{name}/openai")
    plain = load_backbone(f"open_clip:{name}/later")
    expected = tiny()
    with torch.no_grad():
        same(quick.run(pictures()), expected.encode_image(pictures()))
    assert not torch.allclose(plain.run(pictures()), quick.run(pictures()), rtol=1e-4)
    assert ("with QuickGELU" in quick.weights) == (name == "Tiny")
    assert ("with GELU" in plain.weights) == (name == "Tiny-quickgelu")
    local = load_backbone(f"open_clip:{name}/openai@{small_architectures}")
    assert local.digest == quick.digest


def test_a_local_file_says_its_activation_or_is_refused(small_architectures: Path, tmp_path: Path) -> None:
    state = {**tiny().state_dict(), "input_resolution": torch.tensor(32), "context_length": torch.tensor(12)}
    marked = write_safetensors(tmp_path / "openai.safetensors", {**state, "vocab_size": torch.tensor(49408)})
    for name in ("Tiny", "Tiny/later", "Tiny-quickgelu"):
        found = load_backbone(f"open_clip:{name}@{marked}")
        with torch.no_grad():
            same(found.run(pictures()), tiny().encode_image(pictures()))
    with pytest.raises(ModelError, match=r"no sign of it.* open_clip:Tiny-quickgelu@PATH .* open_clip:Tiny/later@PATH"):
        load_backbone(f"open_clip:Tiny@{small_architectures}")
    plain = load_backbone(f"open_clip:Tiny/later@{small_architectures}")
    assert not torch.allclose(plain.run(pictures()), found.run(pictures()), rtol=1e-4)


def test_preprocessing_is_that_of_the_weights(small_architectures: Path) -> None:
    assert load_backbone("open_clip:Tiny/openai").preprocess.mean == (0.1, 0.2, 0.3)
    assert load_backbone("open_clip:Tiny/openai").preprocess.mode == "squash"
    assert load_backbone("open_clip:Tiny/later").preprocess.std == (0.4, 0.4, 0.4)
    about = {"size": 32, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "interpolation": "random", "resize_mode": "shortest"}
    found = preprocess_of(about)
    assert (found.size, found.resize, found.interpolation, found.mode) == (32, 32, "bicubic", "crop")
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    squashed = preprocess_of(about | {"size": (40, 40), "interpolation": "bilinear", "resize_mode": "squash"})
    assert (squashed.size, squashed.interpolation, squashed.mode) == (40, "bilinear", "squash")
    with pytest.raises(ModelError, match="resized by 'longest'"):
        preprocess_of(about | {"resize_mode": "longest"})
    with pytest.raises(ModelError, match="expected square images"):
        preprocess_of({"size": (32, 48), "resize_mode": "shortest"})


def test_local_checkpoints(small_architectures: Path, tmp_path: Path) -> None:
    backbone = load_backbone(f"open_clip:Tiny-quickgelu@{small_architectures}")
    with torch.no_grad():
        same(backbone.run(pictures()), tiny().encode_image(pictures()))
    torch.save({"state_dict": {f"module.{k}": v for k, v in tiny().state_dict().items()}}, tmp_path / "tiny.pt")
    assert load(parse(f"open_clip:Tiny-quickgelu@{tmp_path / 'tiny.pt'}")).digest == backbone.digest
    state = tiny().state_dict()
    state["visual.proj"] = torch.zeros(32, 25)
    with pytest.raises(ModelError, match=r"not fit open_clip:Tiny-quickgelu: it has wrong shapes: visual\.proj \(\[32, 25\]"):
        load_backbone("open_clip:Tiny-quickgelu", checkpoint=write_safetensors(tmp_path / "bad.safetensors", state))


def test_without_a_tag_the_weights_are_random_and_said_to_be(small_architectures: Path) -> None:
    first, second = load_backbone("open_clip:Tiny"), load_backbone("open_clip:Tiny/random")
    assert first.weights == second.weights == "random" and first.digest == second.digest


def test_the_real_architecture_without_a_network() -> None:
    backbone = load_backbone("open_clip:ViT-B-32")
    net = backbone.module
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        same(backbone.run(images), net.encode_image(images))  # type: ignore[operator]
    assert backbone.layers == 12 and backbone.parameter_count == 151_277_313


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("open_clip:ViT-B-33", ModelError, "open_clip has no model 'ViT-B-33'; did you mean"),
        ("open_clip:ViT-B-32/opena", ModelError, "open_clip has no weights 'opena' for ViT-B-32; did you mean 'openai'?"),
        ("open_clip:ViT-B-32/openai", WeightsNotFound, "weights of open_clip:ViT-B-32/openai are not on this disk"),
        ("open_clip:xlm-roberta-base-ViT-B-32", WeightsNotFound, "the text tower xlm-roberta-base"),
    ],
)
def test_unknown_names_and_missing_weights(
    name: str, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldframe.backbones.hub.in_hub_cache", lambda repository, names: None)
    with pytest.raises(error) as caught:
        load_backbone(name)
    assert words in str(caught.value) and len(str(caught.value)) < 350


def test_a_network_is_built_without_any_weights_of_its_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The towers' own weights would be fetched, and then written over."""
    asked: dict[str, Any] = {}

    def create(name: str, **settings: Any) -> torch.nn.Module:
        asked.update(settings, name=name)
        return torch.nn.Linear(1, 1)

    monkeypatch.setattr(open_clip, "create_model", create)
    _build(parse("open_clip:ViT-B-32/random"), {"text_cfg": {}}, True)
    assert asked == {
        "name": "ViT-B-32", "pretrained": None, "load_weights": False, "pretrained_text": False, "quick_gelu": True,
    }  # fmt: skip
