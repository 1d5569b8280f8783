"""What is warm, on stored activations, equals the straightforward network on pixels: loss and gradients, method by backbone.

The straightforward side is the zoo's own forward pass. Prompt tokens get into it through hooks on its own blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import timm
import torch
import torchvision
from fakes import tiny_clip
from torch import Tensor, nn
from torch.nn import functional

from coldframe.backbones import load_backbone
from coldframe.backbones import timm as timm_zoo
from coldframe.backbones import torchvision as torchvision_zoo
from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.transformer import PreNormBlock, transformer_of
from coldframe.errors import InputError, ModelError
from coldframe.methods import method_class
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.prompt_tokens import StoredColumn
from coldframe.types import Preprocess

CLASSES = ("red", "green", "blue")
Own = Callable[[Tensor], Tensor]


def preprocess(size: int) -> Preprocess:
    return Preprocess(size, size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def _open_clip() -> tuple[Backbone, Own, nn.ModuleList]:
    backbone = tiny_clip()
    net: Any = backbone.module
    return backbone, net.encode_image, net.visual.transformer.resblocks


def _pocket() -> tuple[Backbone, Own, nn.ModuleList]:
    backbone = load_backbone("pocket", pretrained=False)
    net: Any = backbone.module
    return backbone, net.encode_image, net.visual.transformer.resblocks


def _timm(name: str, size: int, **settings: Any) -> tuple[Backbone, Own, Any]:
    net: Any = drawn(lambda: timm.create_model(name, num_classes=7, **settings)).eval()
    backbone = timm_zoo.cut(f"timm:{name}", net, preprocess(size), classes=[f"class {k}" for k in range(7)])
    return backbone, lambda x: net.forward_head(net.forward_features(x), pre_logits=True), getattr(net, "blocks", None)


VIT: dict[str, Any] = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 2}


def _timm_vit() -> tuple[Backbone, Own, Any]:
    return _timm("vit_tiny_patch16_224", 16, qkv_bias=True, init_values=0.5, **VIT)


def _timm_mean() -> tuple[Backbone, Own, Any]:
    return _timm("vit_tiny_patch16_224", 16, global_pool="avg", qk_norm=True, reg_tokens=2, **VIT)


def _timm_cnn() -> tuple[Backbone, Own, Any]:
    return _timm("test_resnet", 32)


def _torchvision_cnn() -> tuple[Backbone, Own, Any]:
    net: Any = drawn(lambda: torchvision.models.resnet18(num_classes=7)).eval()
    backbone = torchvision_zoo.cut("torchvision:resnet18", net, preprocess(32), classes=[f"class {k}" for k in range(7)])
    features = nn.Sequential(*list(net.children())[:-1], nn.Flatten())
    return backbone, features, None


TRANSFORMERS = {"open_clip": _open_clip, "pocket": _pocket, "timm ViT": _timm_vit, "timm ViT, mean": _timm_mean}
CNNS = {"timm CNN": _timm_cnn, "torchvision ResNet": _torchvision_cnn}
BACKBONES = TRANSFORMERS | CNNS
PIXEL: list[dict[str, Any]] = [
    {"kind": "pad", "size": 3},
    {"kind": "patch", "size": 5},
    {"kind": "random-patch", "size": 4},
    {"kind": "pad", "size": 3, "scale": 0.75},
]
DEEP: list[dict[str, Any]] = [
    {"layer": 0},
    {"layer": 1, "position": "front"},
    {"layer": -1},
    {"layer": -1, "position": "front", "readout": "first"},
    {"layer": 0, "readout": "first", "position": "front"},
    {"layer": 0, "depth": "all"},
    {"layer": 0, "depth": 2, "position": "front"},
    {"layer": 1, "depth": "all", "shared": True},
]


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    scale = expected.detach().abs().max().clamp_min(1e-12)
    error = float(((found - expected).detach().abs().max() / scale).item())
    assert error <= tolerance, f"relative error {error:.2g}"
    assert float(scale) > 1e-9, "nothing was compared"


def pictures(backbone: Backbone) -> tuple[Tensor, Tensor]:
    S = backbone.preprocess.size
    return torch.randn(5, 3, S, S, generator=torch.Generator().manual_seed(3)), torch.tensor([0, 1, 2, 1, 0])


def gradients(logits: Tensor, labels: Tensor, parameters: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    loss = functional.cross_entropy(logits, labels)
    return loss.detach(), list(torch.autograd.grad(loss, parameters))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("settings", PIXEL, ids=str)
def test_pixel_prompt(name: str, settings: dict[str, Any]) -> None:
    backbone, own, _ = BACKBONES[name]()
    method: Any = method_class("pixel-prompt")(backbone, init="normal", **settings)
    method.classes = CLASSES
    method.head.prepare(CLASSES, 0)
    generator = torch.Generator().manual_seed(1)
    method.prompt = {key: torch.randn(shape, generator=generator).requires_grad_() for key, shape in method.shapes().items()}
    images, labels = pictures(backbone)
    stored = backbone.run(images, stop=method.cut)
    parameters = list(method.prompt.values())
    warm, found = gradients(method.warm(stored), labels, parameters)

    S = backbone.preprocess.size
    x = images
    if method.scale < 1:
        side = round(method.scale * S)
        at = (S - side) // 2
        x = torch.zeros_like(images)
        small = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
        x[:, :, at : at + side, at : at + side] = small
    x = x + by_hand(method, S)
    expected_loss, expected = gradients(method.head(own(x)), labels, parameters)
    close(warm, expected_loss)
    for mine, theirs in zip(found, expected, strict=True):
        close(mine, theirs)


def by_hand(method: Any, S: int) -> Tensor:
    """Write the prompt into an empty picture, as the published code does."""
    v, p = torch.zeros(1, 3, S, S), method.pixels
    if method.kind == "pad":
        v[:, :, :p], v[:, :, S - p :] = method.prompt["up"], method.prompt["down"]
        v[:, :, p : S - p, :p], v[:, :, p : S - p, S - p :] = method.prompt["left"], method.prompt["right"]
    else:
        at = (S - p) // 2 if method.kind == "random-patch" else 0
        v[:, :, at : at + p, at : at + p] = method.prompt["patch"]
    return v


@contextmanager
def prompted(method: DeepPrompt, modules: nn.ModuleList) -> Iterator[None]:
    """Put the prompt into the network's own forward pass, and take it out before its end unless it is read."""
    P, front, L = method.tokens, method.position == "front", method.layer

    def put(index: int) -> Callable[..., Any]:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = arguments[0]
            if index > 0:
                x = x[:, P:] if front else x[:, :-P]
            p = method.prompt[0 if method.shared else index].expand(len(x), -1, -1)
            return (torch.cat([p, x] if front else [x, p], dim=1), *arguments[1:])

        return hook

    def take(module: nn.Module, arguments: Any, x: Tensor) -> Tensor:
        if method.readout == "first":
            return x
        return x[:, P:] if front else x[:, :-P]

    handles = [modules[L + i].register_forward_pre_hook(put(i)) for i in range(method.replaced)]
    handles.append(modules[-1].register_forward_hook(take))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def deep(backbone: Backbone, settings: dict[str, Any]) -> DeepPrompt:
    layer = settings["layer"] % backbone.layers
    method = DeepPrompt(backbone, **{"tokens": 3, "init": "normal", **settings, "layer": layer})
    method.classes = CLASSES
    method.scores.prepare(CLASSES, 0)
    shape = (1 if method.shared else method.replaced, method.tokens, method.network.width)
    method.prompt = torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return method


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("settings", DEEP, ids=str)
def test_deep_prompt(name: str, settings: dict[str, Any]) -> None:
    backbone, own, modules = TRANSFORMERS[name]()
    if name.endswith("mean") and settings.get("readout") == "first":
        with pytest.raises(InputError, match="mean of its tokens"):
            deep(backbone, settings)
        return
    method = deep(backbone, settings)
    images, labels = pictures(backbone)
    stored = backbone.run(images, stop=method.cut)
    warm, (found,) = gradients(method.warm(stored), labels, [method.prompt])
    with prompted(method, modules):
        expected_loss, (expected,) = gradients(method.scores(own(images)), labels, [method.prompt])
    close(warm, expected_loss)
    close(found, expected)

    # From kept keys and values, where there are some, it is the same again.
    keys = method._keys([StoredColumn(stored)])
    last = method.layer == backbone.layers - 1 and method.network.reads is not None
    assert bool(keys) == last
    if keys:
        logits = method._training([StoredColumn(stored)], keys)(torch.arange(5), 0)
        kept_loss, (kept,) = gradients(logits, labels, [method.prompt])
        close(kept_loss, expected_loss)
        close(kept, expected)


def test_where_tokens_stand_matters_only_for_what_is_read() -> None:
    backbone, _, _ = _open_clip()
    images, _ = pictures(backbone)
    stored = backbone.run(images, stop="block1")
    with torch.no_grad():
        back, front, first = (
            deep(backbone, {"layer": 1, **settings}).warm(stored)
            for settings in ({}, {"position": "front"}, {"position": "front", "readout": "first"})
        )
    close(front, back)
    assert float((first - back).abs().max()) > 0.01 * float(back.abs().max())


def test_published_counts() -> None:
    vit = load_backbone("timm:vit_base_patch32_224/random")
    make: Any = method_class
    sizes = {1: 3, 30: 2_700}
    for p, count in sizes.items():
        patch = make("pixel-prompt")(vit, kind="patch", size=p)
        assert sum(torch.Size(shape).numel() for shape in patch.shapes().values()) == count
    pad = make("pixel-prompt").preset("bahng2022", vit, mapping="identity")
    assert pad.pixels == 30 and sum(torch.Size(shape).numel() for shape in pad.shapes().values()) == 69_840
    assert (pad.lr, pad.warmup, pad.batch_size, pad.optimiser, pad.init) == (40.0, 1000, 256, "sgd", "normal")
    assert make("deep-prompt")(vit, tokens=8, layer=0, init="normal")._drawn().numel() == 6_144
    assert make("deep-prompt")(vit, tokens=8, layer=0, depth="all", init="normal")._drawn().numel() == 12 * 6_144
    course = make("deep-prompt").preset("uva-a2", vit, head="linear")
    assert course.tokens == 4 and course._drawn().shape == (1, 4, 768)
    uniform = make("deep-prompt")(vit, tokens=50, layer=0, init="uniform")._drawn()
    bound = (6 / (3 * 32**2 + 768)) ** 0.5
    assert 0.99 * bound < float(uniform.max()) <= bound


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_blocks_run_for_some_tokens(name: str) -> None:
    backbone, _, _ = TRANSFORMERS[name]()
    view = transformer_of(backbone)
    x = torch.randn(2, view.tokens, view.width, generator=torch.Generator().manual_seed(0))
    for each in view.blocks:
        assert isinstance(each, PreNormBlock)
        close(each(x, slice(1, 3)), each(x)[:, 1:3])
    close(view.features(x), backbone.run(x, "block0"))
    assert view.reads == (None if name.endswith("mean") else 1)
    assert view.prefix == (3 if name.endswith("mean") else 1)


@pytest.mark.parametrize("name", CNNS)
def test_networks_without_tokens_refuse_deep_prompts(name: str) -> None:
    backbone, _, _ = CNNS[name]()
    with pytest.raises(ModelError, match="expected a vision transformer for deep prompts") as caught:
        DeepPrompt(backbone)
    assert "\n" not in str(caught.value)
