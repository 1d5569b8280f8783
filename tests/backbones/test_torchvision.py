"""torchvision's classifiers: cut anywhere, they are themselves; what their weights say is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contracts import check_backbone, cuts_of
from drawn import same_line
from torch import Tensor, nn
from torchvision import models

from coldframe.backbones import load_backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.torchvision import cut, preprocess_of
from coldframe.errors import ModelError, WeightsNotFound, WeightsWarning
from coldframe.files import write_safetensors
from coldframe.types import Preprocess


def small_vit() -> nn.Module:
    return models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=7, representation_size=12
    )


def small_swin() -> nn.Module:
    return models.SwinTransformer([4, 4], 12, [1, 2], [1, 2], [2, 2], num_classes=7)


def by_name(name: str, **settings: object) -> nn.Module:
    return models.get_model(name, weights=None, num_classes=7, **settings)


ROWS = {
    "resnet18": (lambda: by_name("resnet18"), 64, 11),
    "vgg": (lambda: small_vgg(False), 32, 5),
    "vgg_bn": (lambda: small_vgg(True), 32, 5),
    "densenet": (lambda: models.DenseNet(8, (2, 2), 16, num_classes=7), 64, 6),
    "mobilenet_v2": (lambda: by_name("mobilenet_v2"), 64, 21),
    "mobilenet_v3_small": (lambda: by_name("mobilenet_v3_small"), 64, 15),
    "efficientnet_b0": (lambda: by_name("efficientnet_b0"), 64, 20),
    "regnet_y_400mf": (lambda: by_name("regnet_y_400mf"), 64, 19),
    "shufflenet_v2_x0_5": (lambda: by_name("shufflenet_v2_x0_5"), 64, 20),
    "mnasnet0_5": (lambda: by_name("mnasnet0_5"), 64, 34),
    "convnext": (lambda: models.ConvNeXt([models.convnext.CNBlockConfig(8, 16, 2), models.convnext.CNBlockConfig(16, None, 1)],
                                         num_classes=7), 32, 6),
    "googlenet": (lambda: by_name("googlenet", init_weights=False, aux_logits=True, transform_input=True), 64, 13),
    "swin": (small_swin, 32, 6),
    "vit": (small_vit, 32, 6),
}  # fmt: skip
"""Family -> (a small network, image size, least number of cuts)."""


def small_vgg(norm: bool) -> nn.Module:
    features = models.vgg.make_layers([8, "M", 12, 16, "M"], batch_norm=norm)
    net = models.VGG(features, num_classes=7)
    net.avgpool = nn.AdaptiveAvgPool2d(2)
    net.classifier = nn.Sequential(nn.Linear(64, 24), nn.ReLU(True), nn.Dropout(), nn.Linear(24, 7))
    return net


def stirred(build: object) -> nn.Module:
    """Build a network and move every parameter, so that zeros and ones of its initialisation hide nothing."""
    net = drawn(build)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    return net.eval()


def penultimate(net: nn.Module) -> object:
    """Return a function that reads what the last linear layer is given, by a hook of the test's own."""
    last = [module for name, module in net.named_modules() if isinstance(module, nn.Linear) and module.out_features == 7][-1]

    def features(x: Tensor) -> Tensor:
        given: list[Tensor] = []
        handle = last.register_forward_pre_hook(lambda module, args: given.append(args[0]))
        net(x)
        handle.remove()
        return given[0]

    return features


@pytest.mark.parametrize("family", ROWS)
def test_contract(family: str) -> None:
    build, size, cuts = ROWS[family]
    net = stirred(build)
    pixels = Preprocess(size, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    backbone = cut(f"torchvision:{family}", net, pixels, classes=[f"class {k}" for k in range(7)])
    assert len(backbone.cuts) >= cuts, backbone.cuts
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    check_backbone(backbone, images, penultimate(net), net)  # type: ignore[arg-type]
    same_line(__file__, "cuts", f"torchvision {family}", cuts_of(backbone, images))


def test_squeezenet_has_features_and_no_head() -> None:
    net = stirred(lambda: by_name("squeezenet1_1"))
    backbone = cut("torchvision:squeezenet1_1", net, Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3), classes=["x"] * 7)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    check_backbone(backbone, images, lambda x: net.features(x).mean((2, 3)), None, net.features)


def test_preprocessing_and_figures_are_those_of_the_weights() -> None:
    backbone = load_backbone("torchvision:resnet18/IMAGENET1K_V1/random")
    assert (backbone.published["top1"], backbone.published["top5"]) == (0.69758, 0.89078)
    assert (backbone.preprocess.mean, backbone.preprocess.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert "not these weights" in backbone.published["source"]
    assert (backbone.preprocess.size, backbone.preprocess.resize, backbone.preprocess.interpolation) == (224, 256, "bilinear")
    assert backbone.classes[945] == "bell pepper" and backbone.weights == "random"
    assert preprocess_of(models.EfficientNet_B1_Weights.IMAGENET1K_V2).resize == 255
    assert preprocess_of(models.Swin_T_Weights.DEFAULT).interpolation == "bicubic"


def test_local_checkpoint(tmp_path: Path) -> None:
    net = models.resnet18(weights=None, num_classes=5)
    path = write_safetensors(tmp_path / "mine.safetensors", net.state_dict())
    backbone = load_backbone(f"torchvision:resnet18@{path}")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone.head(backbone.run(x)), net.eval()(x))
    assert len(backbone.classes) == 5 and backbone.weights == "mine.safetensors"
    with pytest.raises(ModelError, match=r"does not fit torchvision:resnet34.*: it lacks layer1\.2\.conv1\.weight"):
        load_backbone(f"torchvision:resnet34@{path}")


def test_a_local_file_without_the_last_layer(tmp_path: Path) -> None:
    net = drawn(lambda: models.get_model("mobilenet_v2", weights=None)).eval()
    own = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("classifier.1.")}
    foreign = {"classifier.1.0.weight": torch.zeros(2, 1280), "classifier.4.bias": torch.zeros(2)}
    torch.save({"model": {f"backbone.{name}": tensor for name, tensor in (own | foreign).items()}}, tmp_path / "net.pth")
    with pytest.warns(WeightsWarning, match=r"head of .* is none of torchvision:mobilenet_v2.* left out: classifier.1.0"):
        backbone = load_backbone(f"torchvision:mobilenet_v2@{tmp_path / 'net.pth'}")
    assert backbone.head(torch.zeros(1, 1280)) is None and not backbone.classes
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone.run(x), net.features(x).mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_the_classifier_of_a_local_file_is_found_by_name(tmp_path: Path) -> None:
    net = models.convnext_tiny(weights=None, num_classes=4)
    path = write_safetensors(tmp_path / "mine.safetensors", net.state_dict())
    assert len(load_backbone("torchvision:convnext_tiny", checkpoint=path).classes) == 4


def test_weights_in_torch_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFound, match=r"weights of torchvision:resnet18 are not on this disk \(looked in"):
        load_backbone("torchvision:resnet18")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    net = models.resnet18(weights=None)
    torch.save(net.state_dict(), folder / "resnet18-f37072fd.pth")
    backbone = load_backbone("torchvision:resnet18/IMAGENET1K_V1")
    assert torch.equal(backbone.module.state_dict()["fc.weight"], net.fc.weight)
    assert backbone.published["source"] == "torchvision's metadata of IMAGENET1K_V1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torchvision:resnet19", "no classifier 'resnet19'; did you mean 'resnet18'"),
        ("torchvision:resnet18/IMAGENET1K_V3", "no weights 'IMAGENET1K_V3' for resnet18; did you mean 'IMAGENET1K_V1'"),
    ],
)
def test_unknown_names(name: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_backbone(name)
    assert words in str(caught.value)
