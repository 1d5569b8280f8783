"""Models with open_clip's own configuration beside the weights: a folder, and the hub's cache without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from contracts import same

from coldframe.backbones import load_backbone
from coldframe.errors import ColdframeError, ModelError, WeightsNotFound
from coldframe.files import write_json, write_safetensors

VISION: dict[str, Any] = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
PIXELS = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bicubic", "resize_mode": "squash"}


def fill(folder: Path) -> Any:
    """Write configuration and weights into a folder; return the network."""
    folder.mkdir(parents=True)
    model = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT}
    write_json(folder / "open_clip_config.json", {"model_cfg": model, "preprocess_cfg": PIXELS})
    torch.manual_seed(3)
    net = open_clip.CLIP(24, dict(VISION), dict(TEXT), quick_gelu=True).eval()
    write_safetensors(folder / "open_clip_model.safetensors", {k: v.detach() for k, v in net.state_dict().items()})
    return net


def check(name: str, net: Any) -> None:
    backbone = load_backbone(name)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        same(backbone.run(images), net.encode_image(images), 1e-5)
    assert backbone.name == name and backbone.preprocess.mean == (0.1, 0.2, 0.3) and backbone.preprocess.mode == "squash"
    assert backbone.text is not None and backbone.text.tokenize(["a dog"]).shape == (1, 12)
    random = load_backbone(f"{name}/random")
    assert random.weights == "random" and not torch.allclose(random.run(images), backbone.run(images))


def test_a_folder(tmp_path: Path) -> None:
    net = fill(tmp_path / "a@b")
    check(f"open_clip:local-dir:{tmp_path / 'a@b'}", net)


def test_a_repository_in_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--someone--clip"
    net = fill(kept / "snapshots" / ("0" * 40))
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    check("open_clip:hf-hub:someone/clip", net)
    with pytest.raises(WeightsNotFound, match="open_clip:hf-hub:someone/other are not on this disk"):
        load_backbone("open_clip:hf-hub:someone/other")
    with pytest.raises(ModelError, match="expected open_clip:hf-hub:ORG/NAME"):
        load_backbone("open_clip:hf-hub:someone/clip/later")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "expected open_clip_config.json in"),
        ([], "expected"),
        ({"model_cfg": 3}, "expected model_cfg with vision_cfg and text_cfg"),
        ({"model_cfg": {"embed_dim": "x", "vision_cfg": VISION, "text_cfg": TEXT}}, "cannot build"),
        ({"model_cfg": {"embed_dim": 24, "vision_cfg": {"widht": 3}, "text_cfg": TEXT}}, "cannot build"),
        ({"model_cfg": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}}, "expected weights in"),
    ],
)
def test_a_folder_that_is_none_is_refused(config: Any, words: str, tmp_path: Path) -> None:
    if config is not None:
        write_json(tmp_path / "open_clip_config.json", config)
    if words != "expected weights in":
        write_safetensors(tmp_path / "open_clip_model.safetensors", {"logit_scale": torch.zeros(1)})
    with pytest.raises(ColdframeError, match=words):
        load_backbone(f"open_clip:local-dir:{tmp_path}")
