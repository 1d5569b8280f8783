"""timm's networks from files of one's own, at other sizes and from folders: equal to timm's own loader, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from coldframe.backbones import load_backbone
from coldframe.backbones.ids import parse
from coldframe.errors import ColdframeError, ModelError, WeightsNotFound, WeightsWarning
from coldframe.files import write_bytes, write_json, write_safetensors


def drawn(name: str, **settings: Any) -> nn.Module:
    torch.manual_seed(3)
    net: nn.Module = timm.create_model(name, **settings)
    return net.eval()


def images(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def check(name: str, net: nn.Module, size: int) -> None:
    """The backbone's features are those of timm's own network, to the bit of its own forward pass."""
    backbone, x = load_backbone(name), images(size)
    assert backbone.preprocess.size == size
    torch.testing.assert_close(backbone.run(x), net.forward_head(net.forward_features(x), pre_logits=True), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "size"), [("test_vit", 192), ("test_vit2", 96), ("test_vit3", 192)])
def test_another_size_is_timms_own(name: str, size: int, tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "net.safetensors", drawn(name).state_dict())
    own = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, img_size=size).eval()
    check(f"timm:{name}@{path}?size={size}", own, size)
    if "pos_embed" in own.state_dict():
        positions = load_backbone(f"timm:{name}@{path}?size={size}").module.state_dict()["pos_embed"]
        assert torch.equal(positions, own.state_dict()["pos_embed"])
    random = load_backbone(f"timm:{name}/random?size={size}")
    assert random.preprocess.size == size and random.run(images(size)).shape[0] == 2


def test_a_file_of_another_size(tmp_path: Path) -> None:
    net = drawn("test_vit", img_size=192)
    path = write_safetensors(tmp_path / "larger.safetensors", net.state_dict())
    with pytest.raises(ModelError, match=r"does not fit timm:test_vit: .* pos_embed \(\[1, 145, 64\].* add \?size=S"):
        load_backbone("timm:test_vit", checkpoint=path)
    check(f"timm:test_vit@{path}?size=192", net, 192)
    own = timm.create_model("test_vit", pretrained=True, pretrained_cfg_overlay={"file": str(path)}).eval()
    check(f"timm:test_vit@{path}?size=160", own, 160)
    wrong = dict(net.state_dict()) | {"blocks.0.norm1.weight": torch.zeros(3)}
    with pytest.raises(ModelError, match=r"blocks.0.norm1.weight \(\[3\] instead of \[64\]\)"):
        load_backbone(f"timm:test_vit@{write_safetensors(path, wrong)}?size=192")


def test_preprocessing_at_another_size_is_timms() -> None:
    found = load_backbone("timm:test_resnet/random?size=224").preprocess
    config = timm.data.resolve_data_config({"img_size": 224}, model=drawn("test_resnet"))
    own = timm.data.create_transform(**config, is_training=False).transforms
    assert (found.size, found.resize) == (own[1].size[0], own[0].size)


def test_a_size_that_cannot_be() -> None:
    with pytest.raises(ModelError, match=r"expected size as whole pixels from 1 to 4096, found '0'"):
        load_backbone("timm:test_vit/random?size=0")
    with pytest.raises(ModelError, match=r"test_vit cannot have images of 33 pixels \(.*patch size \(16\)\); choose"):
        load_backbone("timm:test_vit/random?size=33")
    with pytest.raises(ModelError, match=r"options behind the . are for timm's networks"):
        load_backbone("open_clip:ViT-B-32?size=384")


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext"])
def test_heads(name: str, tmp_path: Path) -> None:
    """Its own, one of other classes, none, and one of another kind: the features are the same."""
    net = drawn(name)
    own, path = net.state_dict(), tmp_path / "net.pth"
    head = str(net.pretrained_cfg["classifier"])
    bare = {key: value for key, value in own.items() if not key.startswith(head + ".")}
    torch.save({"model": {f"backbone.{key}": value for key, value in bare.items()}}, path)
    check(f"timm:{name}@{path}", net, 160)
    assert load_backbone(f"timm:{name}@{path}").head(torch.zeros(1, 1)) is None
    torch.save(bare | {f"{head}.0.weight": torch.zeros(4, 4), f"{head}.2.weight": torch.zeros(2, 4)}, path)
    with pytest.warns(WeightsWarning, match=rf"the head of .* is none of timm:{name} and is left out: {head}.0.weight"):
        check(f"timm:{name}@{path}", net, 160)
    torch.save({"state_dict": bare | {f"{head}.weight": torch.ones(5, net.num_features), f"{head}.bias": torch.ones(5)}}, path)
    backbone = load_backbone(f"timm:{name}@{path}")
    logits = backbone.head(backbone.run(images(160)))
    assert logits is not None and logits.shape == (2, 5) and len(backbone.classes) == 5
    bare.pop(next(iter(bare)))
    torch.save(bare, path)
    with pytest.raises(ModelError, match="it lacks"):
        load_backbone(f"timm:{name}@{path}")


def fill(folder: Path, *, flat: bool = False, **settings: Any) -> nn.Module:
    net = drawn("test_vit", num_classes=3, **settings)
    config = {key: value for key, value in net.pretrained_cfg.items() if key not in ("url", "hf_hub_id", "tag")}
    config |= {"num_classes": 3, "mean": [0.1, 0.2, 0.3], "crop_pct": 1.0}
    names = ["ant", "bee", "cow"]
    about: dict[str, Any] = {"num_classes": 3, "label_names": names, "model_args": settings, "pretrained_cfg": config}
    write_json(folder / "config.json", {"architecture": "test_vit"} | ({"labels": names} | config if flat else about))
    write_safetensors(folder / "model.safetensors", net.state_dict())
    return net


@pytest.mark.parametrize("flat", [False, True])
def test_a_folder(flat: bool, tmp_path: Path) -> None:
    net = fill(tmp_path / "a@b", flat=flat, **({} if flat else {"depth": 3}))
    name = f"timm:local-dir:{tmp_path / 'a@b'}"
    check(name, timm.create_model(f"local-dir:{tmp_path / 'a@b'}", pretrained=True).eval(), 160)
    check(name, net, 160)
    backbone = load_backbone(name)
    assert backbone.classes == ("ant", "bee", "cow") and backbone.preprocess.mean == (0.1, 0.2, 0.3)
    assert backbone.preprocess.resize == 160 and backbone.name == name
    assert load_backbone(f"{name}/random").weights == "random"
    own = timm.create_model(f"local-dir:{tmp_path / 'a@b'}", pretrained=True, img_size=96).eval()
    check(f"{name}?size=96", own, 96)


@pytest.mark.parametrize("spelt", ["hf_hub", "hf-hub"])
def test_a_repository_in_the_cache_of_the_hub(spelt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--someone--net"
    net = fill(kept / "snapshots" / "abc")
    write_bytes(kept / "refs" / "main", b"abc")
    check(f"timm:{spelt}:someone/net", net, 160)
    assert load_backbone(f"timm:{spelt}:someone/net").name == "timm:hf-hub:someone/net"
    assert parse("timm:hf_hub:someone/net/random").random
    with pytest.raises(WeightsNotFound, match="timm:hf-hub:someone/other are not on this disk"):
        load_backbone(f"timm:{spelt}:someone/other")
    with pytest.raises(ModelError, match="expected timm:hf-hub:ORG/NAME"):
        load_backbone(f"timm:{spelt}:someone")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "expected config.json in .*, found none"),
        ({"model_type": "vit"}, r"expected the architecture of a timm model .* found a model of transformers .vit."),
        ({"architecture": "test_vitt"}, "timm has no model 'test_vitt', which .* names; did you mean 'test_vit"),
        ({"architecture": "test_vit"}, "expected weights in .* found none"),
    ],
)
def test_a_folder_that_is_none_is_refused(config: Any, words: str, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ColdframeError, match=words):
        load_backbone(f"timm:local-dir:{tmp_path}")
