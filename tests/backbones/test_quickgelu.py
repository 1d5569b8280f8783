"""The activation of a CLIP follows its weights, or is refused where nothing says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from contracts import same

from coldframe.backbones.ids import parse
from coldframe.backbones.timm import load
from coldframe.errors import ModelError
from coldframe.files import write_safetensors


@torch.no_grad()
def test_a_clip_has_the_activation_of_its_weights_or_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"img_size": 32, "depth": 1, "embed_dim": 64, "num_heads": 1, "num_classes": 512}
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **rest: create(name, **{**small, **rest}))
    monkeypatch.setattr("coldframe.backbones.timm.cut", lambda name, net, *_, **__: net.eval())
    names = "vit_base_patch32_clip_224", "vit_base_patch32_clip_quickgelu_224"
    plain, quick = (timm.create_model(name, pretrained=False).eval() for name in names)
    quick.load_state_dict(plain.state_dict())
    file = write_safetensors(tmp_path / "clip.safetensors", plain.state_dict())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def built(name: str) -> Any:
        return load(parse(f"timm:{name}@{file}"))

    for end, expected in (("openai", quick), ("laion2b", plain)):
        name = next(name for name in timm.list_models(f"{names[0]}.{end}*", pretrained=True) if "_ft_" not in name)
        same(built(name)(images), expected(images))
    with pytest.raises(ModelError, match=rf"no sign of it.* timm:{names[1]}@PATH .* timm:{names[0]}\.laion"):
        built(names[0])
    same(built(names[1])(images), quick(images))
    assert not torch.allclose(plain(images), quick(images), rtol=1e-4)
