"""CLIP checkpoints of the package transformers: the same features as transformers computes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contracts import same

from coldframe.backbones import load_backbone
from coldframe.backbones.transformers_clip import is_transformers, renamed
from coldframe.errors import ModelError
from coldframe.files import read_json, write_json, write_safetensors

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny CLIP of transformers' own, and the folder that it saved itself to."""
    common = {"num_attention_heads": 2, "projection_dim": 24, "hidden_act": request.param}
    text = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 12}
    vision = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(
        text_config={**common, **text, "vocab_size": 49408}, vision_config={**common, **vision}, projection_dim=24
    )
    torch.manual_seed(0)
    net = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.3)
    folder = tmp_path_factory.mktemp("clip")
    net.save_pretrained(folder)
    return net, folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    from open_clip import factory

    vision = {"image_size": 32, "layers": 3, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
    plain = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    configs = {**factory._MODEL_CONFIGS, "Tiny": plain, "Tiny-quickgelu": {**plain, "quick_gelu": True}}
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", configs)


def test_features_are_those_of_transformers(saved: tuple[Any, Path], tiny: None) -> None:
    net, folder = saved
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    backbone = load_backbone(f"open_clip:Tiny@{folder / 'model.safetensors'}")
    assert backbone.text is not None
    tokens = backbone.text.tokenize(["a photo of a dog", "a cat"])
    with torch.no_grad():
        pooled = net.vision_model(pixel_values=images).pooler_output
        same(backbone.run(images), net.visual_projection(pooled), 1e-5)
        read = net.text_model(input_ids=tokens).pooler_output
        same(backbone.text.encode(tokens), net.text_projection(read), 1e-5)
    assert backbone.logit_scale == pytest.approx(float(net.logit_scale.detach().exp()))


def test_the_activation_beside_it_decides_or_it_is_refused(saved: tuple[Any, Path], tiny: None, tmp_path: Path) -> None:
    net, folder = saved
    file = write_safetensors(tmp_path / "model.safetensors", {k: v.detach() for k, v in net.state_dict().items()})
    with pytest.raises(ModelError, match=r"no sign of it.* open_clip:Tiny-quickgelu@PATH"):
        load_backbone(f"open_clip:Tiny@{file}")
    config = read_json(folder / "config.json")
    config["vision_config"]["hidden_act"] = "relu"
    write_json(tmp_path / "config.json", config)
    with pytest.raises(ModelError, match="expected one activation, quick_gelu or gelu"):
        load_backbone(f"open_clip:Tiny@{file}")


def test_what_is_missing_or_unknown_is_named(saved: tuple[Any, Path], tiny: None, tmp_path: Path) -> None:
    state = {k: v.detach() for k, v in saved[0].state_dict().items()}
    assert is_transformers(state) and "visual.proj" in renamed(state)
    state["vision_model.more"] = torch.zeros(1)
    del state["vision_model.encoder.layers.1.self_attn.k_proj.weight"]
    file = write_safetensors(tmp_path / "model.safetensors", state)
    lacking = r"lacks visual\.transformer\.resblocks\.1\.attn\.in_proj_weight; it has unknown vision_model\.more"
    with pytest.raises(ModelError, match=lacking):
        load_backbone(f"open_clip:Tiny-quickgelu@{file}")
