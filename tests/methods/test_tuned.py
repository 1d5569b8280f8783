"""Tuning the last blocks: equal to the formulas in the zoo's own network and to peft, merged exactly, refused clearly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import timm
import torch
import torchvision
from fakes import TinyBackbone, coloured, tiny_classifier, tiny_clip
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from coldframe.backbones import load_backbone
from coldframe.backbones import timm as timm_zoo
from coldframe.backbones import torchvision as torchvision_zoo
from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.rewired import PACKED, Layer
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError, ModelError
from coldframe.methods import load, method_class
from coldframe.methods.tuned import Tuned
from coldframe.types import Preprocess

Own = Callable[[nn.Module, Tensor], Tensor]
CLASSES = ("red", "green", "blue")
TRAIN, VAL = coloured(24, 0, "train"), coloured(12, 1, "val")
VIT: dict[str, Any] = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 7}


def _size(size: int) -> Preprocess:
    return Preprocess(size, size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def _clip() -> tuple[Backbone, Own]:
    return tiny_clip(), lambda net, x: net.encode_image(x)  # type: ignore[operator]


def _pocket() -> tuple[Backbone, Own]:
    return load_backbone("pocket", pretrained=False), lambda net, x: net.encode_image(x)  # type: ignore[operator]


def _timm(**settings: Any) -> tuple[Backbone, Own]:
    net: Any = drawn(lambda: timm.create_model("vit_tiny_patch16_224", **(VIT | settings))).eval()
    backbone = timm_zoo.cut("timm:vit", net, _size(16), classes=[f"class {k}" for k in range(7)])
    return backbone, lambda net, x: net.forward_head(net.forward_features(x), pre_logits=True)  # type: ignore[operator]


def _torchvision() -> tuple[Backbone, Own]:
    def build() -> nn.Module:
        return torchvision.models.VisionTransformer(16, 4, 3, 2, 24, 48, num_classes=7)

    backbone = torchvision_zoo.cut("torchvision:vit", drawn(build).eval(), _size(16), classes=[f"c{k}" for k in range(7)])

    def own(net: Any, x: Tensor) -> Tensor:
        tokens = net._process_input(x)
        tokens = torch.cat([net.class_token.expand(len(x), -1, -1), tokens], dim=1)
        features: Tensor = net.encoder(tokens)[:, 0]
        return features

    return backbone, own


def _timm_cnn() -> tuple[Backbone, Own]:
    return tiny_classifier(), lambda net, x: net.forward_head(net.forward_features(x), pre_logits=True)  # type: ignore[operator]


def _torchvision_cnn() -> tuple[Backbone, Own]:
    net: Any = drawn(lambda: torchvision.models.resnet18(num_classes=7)).eval()
    backbone = torchvision_zoo.cut("torchvision:resnet18", net, _size(32), classes=[f"class {k}" for k in range(7)])
    return backbone, lambda net, x: nn.Sequential(*list(net.children())[:-1], nn.Flatten())(x)


TRANSFORMERS: dict[str, Callable[[], tuple[Backbone, Own]]] = {
    "open_clip": _clip, "pocket": _pocket, "torchvision ViT": _torchvision,
    "timm ViT": lambda: _timm(qkv_bias=True, init_values=0.5),
    "timm ViT, mean": lambda: _timm(global_pool="avg", qk_norm=True, qkv_bias=False, reg_tokens=2),
}  # fmt: skip
CNNS: dict[str, Callable[[], tuple[Backbone, Own]]] = {"timm CNN": _timm_cnn, "torchvision ResNet": _torchvision_cnn}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 3, "alpha": 6.0}, "dora": {"rank": 3, "places": "q,v,mlp"}, "lokr": {"rank": 2, "factor": 4},
    "adaptformer": {"bottleneck": 5}, "adapter": {"bottleneck": 5}, "ssf": {}, "ia3": {}, "bitfit": {}, "ln-tune": {},
}  # fmt: skip
CONVOLUTIONAL: dict[str, dict[str, Any]] = {"conv-lora": {"rank": 3}, "ssf": {}, "bitfit": {}, "bn-tune": {}}
ROWS = [(network, name) for network in TRANSFORMERS for name in METHODS]
ROWS += [(network, name) for network in CNNS for name in CONVOLUTIONAL]
FITTING = {"lr": 0.02, "epochs": 3, "last": 1}


def made(name: str, backbone: Backbone, **settings: Any) -> Tuned:
    """Return a method in a state that is not its start, with a head of three classes."""
    method: Any = method_class(name)(backbone, **({"last": 2} | (METHODS | CONVOLUTIONAL)[name] | settings))
    generator = torch.Generator().manual_seed(1)
    method.classes, method.unit = CLASSES, True
    method.weight, method.bias = torch.randn(3, backbone.feature_dim, generator=generator) * 3, torch.zeros(3)
    for value in method.parameters().values():
        value += 0.1 * torch.randn(value.shape, generator=generator)
        value.requires_grad_(True)
    found: Tuned = method
    return found


def formula(method: Any, layer: Layer, t: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the weights of a changed layer as the paper writes them."""
    W, b = layer.weight, layer.bias
    if method.name == "lora":
        return W + method.alpha / method.rank * (t["B"] @ t["A"]), b
    if method.name == "dora":
        V = W + method.alpha / method.rank * (t["B"] @ t["A"])
        return t["m"][:, None] * V / V.detach().square().sum(1, keepdim=True).sqrt(), b
    if method.name == "lokr":
        low = t["B"] @ t["A"]
        product = torch.cat([torch.cat([c * low for c in row], dim=1) for row in t["C"]], dim=0)
        return W + method.alpha / method.rank * product, b
    if method.name == "conv-lora":
        filters = torch.stack([sum(t["B"][o, r] * t["A"][r] for r in range(method.rank)) for o in range(len(W))])
        return W + method.alpha / method.rank * filters, b
    if method.name == "ssf":
        gain = t["gamma"].reshape(-1, *[1] * (W.ndim - 1))
        return W * gain, t["beta"] + (0 if b is None else b * t["gamma"])
    if method.name == "ia3":
        if layer.place == "fc2":
            return W @ torch.diag(t["gain"]), b
        return torch.diag(t["gain"]) @ W, None if b is None else b * t["gain"]
    return t.get("weight", W), t.get("bias", b)


def straightforward(method: Tuned, own: Own, images: Tensor) -> Tensor:
    """Return the logits of the zoo's own network with weights from the formula, or with hooks where there is an activation."""
    net, handles = copy.deepcopy(method.backbone.module), []
    weights: dict[str, Tensor] = {}
    for layer in method.layers:
        learned = method.learned[layer.name]
        if method.unmerged:
            handles.append(net.get_submodule(layer.path).register_forward_hook(branch(method, learned)))
            continue
        weight, bias = formula(method, layer, learned)
        path, _, end = layer.path.rpartition(".")
        names = (f"{path}.in_proj_weight", f"{path}.in_proj_bias") if end == "in_proj" else ()
        names = names or (f"{layer.path}.weight", f"{layer.path}.bias")
        for key, value in zip(names, (weight, bias), strict=True):
            if value is None:
                continue
            if layer.place not in PACKED:
                weights[key] = value
                continue
            inner = len(layer.weight)
            before = weights.get(key)
            if before is None:
                before = dict(net.named_parameters()).get(key, torch.zeros(3 * inner))
            parts = list(before.split(inner))
            parts[PACKED.index(layer.place)] = value
            weights[key] = torch.cat(parts)
    for key, value in weights.items():  # a bias that the network does not have
        owner, _, name = key.rpartition(".")
        if getattr(net.get_submodule(owner), name) is None:
            setattr(net.get_submodule(owner), name, nn.Parameter(torch.zeros_like(value)))
    try:
        features = functional_call(Calling(net, own), {f"net.{key}": value for key, value in weights.items()}, images)
    finally:
        for handle in handles:
            handle.remove()
    return functional.linear(functional.normalize(features, dim=-1), method.weight, method.bias)


class Calling(nn.Module):
    def __init__(self, net: nn.Module, own: Own) -> None:
        super().__init__()
        self.net, self.own = net, own

    def forward(self, x: Tensor) -> Tensor:
        return self.own(self.net, x)


def branch(method: Any, t: dict[str, Tensor]) -> Callable[..., Tensor]:
    def adaptformer(module: nn.Module, arguments: tuple[Tensor, ...], y: Tensor) -> Tensor:
        return y + method.scale * (torch.relu(arguments[0] @ t["down"].T + t["down_bias"]) @ t["up"].T + t["up_bias"])

    def adapter(module: nn.Module, arguments: tuple[Tensor, ...], y: Tensor) -> Tensor:
        return y + functional.gelu(y @ t["down"].T + t["down_bias"]) @ t["up"].T + t["up_bias"]

    return adaptformer if method.name == "adaptformer" else adapter


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    scale = float(expected.detach().abs().max())
    assert scale > 1e-9, "nothing was compared"
    assert float((found - expected).detach().abs().max()) <= tolerance * scale


def pictures(backbone: Backbone) -> tuple[Tensor, Tensor]:
    S = backbone.preprocess.size
    return torch.randn(5, 3, S, S, generator=torch.Generator().manual_seed(3)), torch.tensor([0, 1, 2, 1, 0])


@pytest.mark.parametrize(("network", "name"), ROWS)
def test_warm_from_stored_activations_is_the_formula_in_the_whole_network(network: str, name: str) -> None:
    backbone, own = (TRANSFORMERS | CNNS)[network]()
    last = "all" if (network, name) in (("open_clip", "lora"), ("timm ViT, mean", "ssf")) else 2
    kind: dict[str, Any] = {"kind": "pfeiffer"} if (network, name) == ("timm ViT", "adapter") else {}
    torch_attention = name == "adapter" and not kind and network != "timm ViT, mean"
    if torch_attention:  # torch's own attention never calls its output layer as a module, so that no hook reaches it
        kind = {"kind": "pfeiffer"}
    method = made(name, backbone, last=last, **kind)
    images, labels = pictures(backbone)
    stored = backbone.run(images, stop=method.cut)
    learned = list(method.parameters().values())
    logits = method.warm(stored)
    found = torch.autograd.grad(functional.cross_entropy(logits, labels), learned)
    reference = straightforward(method, own, images)
    expected = torch.autograd.grad(functional.cross_entropy(reference, labels), learned)
    close(logits, reference)
    most = max(float(gradient.abs().max()) for gradient in expected)
    for mine, theirs in zip(found, expected, strict=True):  # a key's bias has no gradient but rounding
        assert float((mine - theirs).abs().max()) <= 1e-5 * max(float(theirs.abs().max()), 1e-2 * most)


@pytest.mark.parametrize(("network", "name"), ROWS)
def test_merged_is_a_plain_network_with_the_same_logits(network: str, name: str) -> None:
    backbone, own = (TRANSFORMERS | CNNS)[network]()
    before = backbone.digest
    method = made(name, backbone)
    images, _ = pictures(backbone)
    if method.unmerged:
        with pytest.raises(InputError, match=f"{name} cannot be merged into the weights of .*: there is an activation"):
            method.merged()
        return
    with torch.no_grad():
        merged = method.merged()
        close(merged(images), method(images))
        plain = functional.normalize(own(merged.backbone.module, images), dim=-1)
        close(functional.linear(plain, merged.weight, merged.bias), method(images))
    assert type(merged.backbone) is type(backbone) and merged.backbone.digest != before
    backbone.__dict__.pop("digest")
    assert backbone.digest == before


PEFT: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "lora": ({"rank": 3, "alpha": 6.0, "places": "o,mlp"}, lambda: peft.LoraConfig(r=3, lora_alpha=6, target_modules=TARGETS)),
    "dora": ({"rank": 3, "alpha": 6.0, "places": "o,mlp"},
             lambda: peft.LoraConfig(r=3, lora_alpha=6, target_modules=TARGETS, use_dora=True)),
    "lokr": ({"rank": 2, "alpha": 4.0, "places": "o,mlp", "factor": 4},
             lambda: peft.LoKrConfig(r=2, alpha=4, decompose_factor=4, target_modules=TARGETS)),
    "ia3": ({}, lambda: peft.IA3Config(target_modules=["qkv", "mlp.fc2"], feedforward_modules=["mlp.fc2"])),
    "packed lora": ({"rank": 2, "alpha": 4.0, "places": "q,k,v"},
                    lambda: peft.LoraConfig(r=6, lora_alpha=12, target_modules=["qkv"])),
}  # fmt: skip
TARGETS = ["attn.proj", "mlp.fc1", "mlp.fc2"]


@pytest.mark.parametrize("name", PEFT)
def test_equal_to_peft(name: str) -> None:
    """Outputs and gradients of the library, on timm's transformer, with the same numbers in both."""
    settings, config = PEFT[name]
    backbone, _ = _timm(qkv_bias=True, init_values=0.5)
    method: Any = made(name.split()[-1], backbone, last="all", **settings)
    net: Any = peft.get_peft_model(copy.deepcopy(backbone.module), config())  # type: ignore[arg-type]
    net.eval()
    pairs: list[tuple[Tensor, Tensor]] = []

    def put(theirs: Tensor, mine: Tensor, at: Any = slice(None)) -> None:
        theirs.data[at] = mine.detach().view_as(theirs.data[at])
        pairs.append((theirs, mine))

    places: list[Any] = []
    for layer in method.layers:
        module, t = net.base_model.model.get_submodule(layer.path), method.learned[layer.name]
        if name == "packed lora":
            number, inner = PACKED.index(layer.place), layer.outputs
            if not number:
                module.lora_B["default"].weight.data.zero_()
            rows, columns = slice(2 * number, 2 * number + 2), slice(inner * number, inner * (number + 1))
            put(module.lora_A["default"].weight, t["A"], rows)
            put(module.lora_B["default"].weight, t["B"], (columns, rows))
            places += [rows, (columns, rows)]
            continue
        if name == "ia3":
            at: Any = slice(None)
            if layer.place in PACKED:
                number = PACKED.index(layer.place)
                at = slice(number * layer.outputs, (number + 1) * layer.outputs)
            theirs = module.ia3_l["default"]
            flat = theirs.data.view(-1)
            flat[at] = t["gain"].detach()
            pairs.append((theirs, t["gain"]))
            places.append(at)
            continue
        if name == "lokr":
            put(module.lokr_w1["default"], t["C"])
            put(module.lokr_w2_a["default"], t["B"])
            put(module.lokr_w2_b["default"], t["A"])
        else:
            put(module.lora_A["default"].weight, t["A"])
            put(module.lora_B["default"].weight, t["B"])
            if name == "dora":
                put(module.lora_magnitude_vector["default"].weight, t["m"])
        places += [slice(None)] * (len(pairs) - len(places))
    images, labels = pictures(backbone)
    logits = method.warm(backbone.run(images, stop=method.cut))
    base = net.base_model.model
    features = base.forward_head(base.forward_features(images), pre_logits=True)
    reference = functional.linear(functional.normalize(features, dim=-1), method.weight, method.bias)
    close(logits, reference)
    mine = torch.autograd.grad(functional.cross_entropy(logits, labels), [ours for _, ours in pairs])
    theirs_all = torch.autograd.grad(functional.cross_entropy(reference, labels), [theirs for theirs, _ in pairs])
    most = max(float(gradient.abs().max()) for gradient in theirs_all)
    for found, expected, place in zip(mine, theirs_all, places, strict=True):
        part = expected.flatten()[place] if name == "ia3" else expected[place]
        assert float((found - part.view_as(found)).abs().max()) <= 1e-5 * max(float(part.abs().max()), 1e-2 * most)


def test_what_comes_before_the_last_blocks_is_not_run_again(tmp_path: Path) -> None:
    backbone = load_backbone("pocket", pretrained=False)
    method: Any = method_class("lora")(backbone, last=1, epochs=1)
    assert method.cut == "block11" and {layer.name.partition(".")[0] for layer in method.layers} == {"block11"}
    assert method_class("ssf")(backbone, last="all").cut == "block0"
    method.fit(TRAIN, VAL, cold=ColdPass(Store(tmp_path)))
    assert method.choices["blocks"] == 1
    assert method.stored_bytes < 100_000


def test_the_start_is_the_probe_or_the_texts(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    texts = method_class("zero-shot")(tiny_clip()).fit(TRAIN, cold=cold)
    for name in METHODS:
        method: Any = method_class(name)(tiny_clip(), **(METHODS[name] | {"last": 1}))
        assert method._start_head(TRAIN, VAL, cold) == "probe", "the probe knows the colours, the texts do not"
        assert method._start_head(TRAIN, None, cold) == "text", "nothing to choose on"
        told = Split("val", VAL.images, texts.predict(VAL, cold=cold).numpy(), VAL.classes)
        assert method._start_head(TRAIN, told, cold) == "text", "nothing to gain over the texts"
        method.classes = TRAIN.classes
        torch.testing.assert_close(method.logits(VAL, cold=cold), texts.logits(VAL, cold=cold), rtol=1e-4, atol=1e-4)
    probed: Any = method_class("bn-tune")(tiny_classifier(), last=1)
    assert probed._start_head(TRAIN, VAL, cold) == "probe"
    probed.classes = TRAIN.classes
    assert probed.score(VAL, cold=cold) > 0.9


def test_wise_scales_what_is_added_to_the_weights(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    full = method_class("lora")(tiny_clip(), **FITTING).fit(TRAIN, None, cold=cold)
    half = method_class("lora")(tiny_clip(), wise=0.5, **FITTING).fit(TRAIN, None, cold=cold)
    place = full.layers[0]  # type: ignore[attr-defined]
    whole, part = (method.merged().backbone.module for method in (full, half))  # type: ignore[attr-defined]
    frozen = full.backbone.module.state_dict()
    for key, value in frozen.items():
        torch.testing.assert_close(part.state_dict()[key], (value + whole.state_dict()[key]) / 2, rtol=1e-5, atol=1e-6)
    assert not torch.equal(whole.state_dict()[f"{place.path}_weight"], frozen[f"{place.path}_weight"])


def test_dropout_acts_in_training_alone_and_again_the_same(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    dropped, again, plain = (
        method_class("lora")(tiny_clip(), dropout=share, **FITTING).fit(TRAIN, None, cold=cold) for share in (0.5, 0.5, 0.0)
    )
    assert torch.equal(dropped.logits(VAL, cold=cold), again.logits(VAL, cold=cold))
    assert not torch.equal(dropped.logits(VAL, cold=cold), plain.logits(VAL, cold=cold))


def test_saved_and_loaded_it_is_merged_the_same(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path / "store"))
    method: Any = method_class("dora")(tiny_clip(), **FITTING).fit(TRAIN, VAL, cold=cold)
    back: Any = load(method.save(tmp_path / "run"), tiny_clip())
    images, _ = pictures(method.backbone)
    with torch.no_grad():
        close(back.merged()(images), method(images))


@pytest.mark.parametrize(("name", "network", "settings", "words"), [
    ("lora", tiny_classifier, {}, "expected transformer blocks with the linear layers q,k,v,o,mlp"),
    ("adapter", tiny_classifier, {}, "expected transformer blocks in the last blocks"),
    ("conv-lora", tiny_clip, {}, "expected convolutions in the last blocks"),
    ("bn-tune", tiny_clip, {}, "expected batch normalisation in the last blocks"),
    ("ln-tune", tiny_classifier, {}, "expected layer normalisation in the last blocks"),
    ("lora", tiny_clip, {"last": 3}, "expected last to be 1 to 2 blocks of tiny-clip:0, or all, found 3"),
    ("lora", TinyBackbone, {}, "which cannot be cut into any"),
    ("ssf", tiny_classifier, {"head": "text"}, "no text tower; use head probe"),
])  # fmt: skip
def test_what_a_network_does_not_allow_is_one_sentence(
    name: str, network: Callable[[], Backbone], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises((InputError, ModelError), match=words) as caught:
        method_class(name)(network(), **({"last": 1} | settings))
    assert "\n" not in str(caught.value)


def test_wise_needs_validation_images_to_choose_on() -> None:
    with pytest.raises(InputError, match="validation images to choose wise"):
        method_class("ssf")(tiny_clip(), last=1, wise="auto").fit(TRAIN)
