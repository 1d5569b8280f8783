"""One training step of LoRA, SSF and BitFit in the last k blocks against the same step on pixels; gradients checked equal.

    python bench/last_blocks.py [--model timm:vit_base_patch32_224/random] [--batch 8] [--last 1 3] [--turns 3]
                                [--methods lora ssf bitfit] [--threads 1]

The peer's step starts from ready images, runs the whole network, and drives its loss back no further than the first changed
block: LoRA by the library peft on timm's own network, SSF and BitFit by its own modules, wrapped or unfrozen in place. Ours
starts from stored activations, once for each image. Both learn a head of 100 classes.

Printed are medians of the processor's seconds, their ratio, and the bytes that are stored for an image.

``--beside`` does the same for what is learned beside the network (attentive-probe, side-network). The peer runs the frozen
network on the pixels in each epoch, without gradients; ours runs it once. Both learn the same from the same activations,
so the gradients are equal to the bit, and what counts is how many epochs there are.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import peft
import torch
from torch import Tensor, nn
from torch.nn import functional

from coldframe import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.methods import method_class

Step = Callable[[], list[Tensor]]
CLASSES = 100
RANK = 8
BESIDE, EPOCHS = ("attentive-probe", "side-network"), (5, 20, 100)


class Scaled(nn.Module):
    """A layer of timm's with SSF behind it."""

    def __init__(self, layer: nn.Module, gamma: Tensor, beta: Tensor) -> None:
        super().__init__()
        self.layer, self.gamma, self.beta = layer, nn.Parameter(gamma), nn.Parameter(beta)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x) * self.gamma + self.beta
        return y


def peer(method: Any, net: nn.Module, blocks: int) -> tuple[nn.Module, Callable[[list[Tensor]], list[Tensor]]]:
    """Return the same state of the same method in timm's own network, and what brings its gradients into our order."""
    depth = len(net.blocks)  # type: ignore[arg-type]
    chosen = list(range(depth - blocks, depth))
    if method.name == "lora":
        config = peft.LoraConfig(
            r=RANK, lora_alpha=2 * RANK, target_modules=["attn.proj", "mlp.fc1", "mlp.fc2"], layers_to_transform=chosen,
            layers_pattern="blocks",
        )  # fmt: skip
        wrapped: Any = peft.get_peft_model(net, config)  # type: ignore[arg-type]
        inner = wrapped.base_model.model
        for layer in method.layers:
            module, own = inner.get_submodule(layer.path), method.learned[layer.name]
            module.lora_A["default"].weight.data.copy_(own["A"].detach())
            module.lora_B["default"].weight.data.copy_(own["B"].detach())
        return inner, lambda found: found
    for layer in method.layers:
        own = method.learned[layer.name]
        if layer.place in ("q", "k", "v"):
            continue
        module = net.get_submodule(layer.path)
        if method.name == "bitfit":
            module.bias.requires_grad_(True).data.copy_(own["bias"].detach())  # type: ignore[union-attr, operator]
        else:
            parent, _, name = layer.path.rpartition(".")
            setattr(net.get_submodule(parent), name, Scaled(module, own["gamma"].detach(), own["beta"].detach()))
    for number in chosen:
        parts = {place: method.learned[f"block{number}.{place}"] for place in ("q", "k", "v")}
        qkv = net.get_submodule(f"blocks.{number}.attn.qkv")
        joined = {key: torch.cat([parts[place][key].detach() for place in parts]) for key in next(iter(parts.values()))}
        if method.name == "bitfit":
            qkv.bias.requires_grad_(True).data.copy_(joined["bias"])  # type: ignore[union-attr, operator]
        else:
            net.get_submodule(f"blocks.{number}.attn").qkv = Scaled(qkv, **joined)
    return net, lambda found: found


def steps(backbone: Backbone, name: str, last: int, images: Tensor, labels: Tensor) -> dict[str, Step]:
    """Return the two steps; each gives the gradient of the head and the sum of squares of all others."""
    settings: dict[str, Any] = {"places": "o,mlp", "rank": RANK, "alpha": 2.0 * RANK} if name == "lora" else {}
    method: Any = method_class(name)(backbone, last=last, **settings)
    generator = torch.Generator().manual_seed(0)
    method.weight, method.bias = torch.randn(CLASSES, backbone.feature_dim, generator=generator), torch.zeros(CLASSES)
    for value in method.parameters().values():
        value += 0.01 * torch.randn(value.shape, generator=generator)
        value.requires_grad_(True)
    with torch.no_grad():
        stored = backbone.run(images, stop=method.cut)
    net, _ = peer(method, copy.deepcopy(backbone.module), last)
    net.eval()
    weight = method.weight.detach().clone().requires_grad_(True)
    bias = method.bias.detach().clone().requires_grad_(True)
    theirs = [value for value in net.parameters() if value.requires_grad]
    mine = [value for key, value in method.parameters().items() if not key.startswith("head")]
    assert sum(v.numel() for v in theirs) == sum(v.numel() for v in mine), "the two do not learn the same numbers"

    def straight() -> list[Tensor]:
        features = net.forward_head(net.forward_features(images), pre_logits=True)  # type: ignore[operator]
        logits = functional.linear(functional.normalize(features, dim=-1), weight, bias)
        return list(torch.autograd.grad(functional.cross_entropy(logits, labels), [weight, bias, *theirs]))

    def ours() -> list[Tensor]:
        loss = functional.cross_entropy(method.warm(stored), labels)
        return list(torch.autograd.grad(loss, [method.weight, method.bias, *mine]))

    return {"on pixels": straight, "coldframe": ours}


def beside(backbone: Backbone, name: str, images: Tensor, labels: Tensor) -> tuple[Any, dict[str, Step]]:
    """Return a method that learns beside the network, the step that runs the network first, and that from what is stored."""
    method: Any = method_class(name)(backbone)
    generator = torch.Generator().manual_seed(0)
    method.classes = tuple(map(str, range(CLASSES)))
    method.learned = method._start(generator)
    method.weight, method.bias = torch.randn(CLASSES, backbone.feature_dim, generator=generator), torch.zeros(CLASSES)
    learned = [method.weight, method.bias, *method.learned.values()]
    for value in learned:
        value += 0.01 * torch.randn(value.shape, generator=generator)
        value.requires_grad_(True)

    def cold() -> Tensor:
        with torch.no_grad():
            return backbone.run(images, stop=method.cut)

    def step(x: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(functional.cross_entropy(method.warm(x), labels), learned))

    stored = cold()
    return method, {"on pixels": lambda: step(cold()), "coldframe": lambda: step(stored)}


def timed(pair: dict[str, Step], turns: int) -> tuple[float, float]:
    """Return the median processor seconds of both steps, taken in turns."""
    seconds: dict[str, list[float]] = {key: [] for key in pair}
    for _ in range(turns):
        for key, step in pair.items():
            start = time.process_time()
            step()
            seconds[key].append(time.process_time() - start)
    peer_s, own_s = (statistics.median(found) for found in seconds.values())
    return peer_s, own_s


def same(first: list[Tensor], second: list[Tensor]) -> None:
    """Fail unless the head's gradients agree, and the squares of all gradients together."""
    error = float((first[0] - second[0]).abs().max() / first[0].abs().max())
    a, b = (float(torch.cat([g.flatten() for g in found[2:]]).double().square().sum().sqrt()) for found in (first, second))
    assert error < 1e-4 and abs(a - b) < 1e-4 * a, f"gradients differ by {error:.2g} and {abs(a - b) / a:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", nargs="+", default=["timm:vit_base_patch32_224/random", "timm:vit_base_patch16_224/random"])
    parser.add_argument("--methods", nargs="+", default=["lora", "ssf", "bitfit"])
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--last", nargs="+", type=int, default=[1, 3])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    print(machine("cpu"))
    print(f"batch {given.batch}, {given.threads} threads, median of {given.turns} turns")
    for model in given.model:
        backbone = load_backbone(model)
        side = backbone.preprocess.size
        images = torch.randn(given.batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(given.batch) % CLASSES
        for name in BESIDE if given.beside else ():
            method, pair = beside(backbone, name, images, labels)
            first, second = (step() for step in pair.values())
            assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), "gradients differ"
            peer_s, own_s = timed(pair, given.turns)
            kept = backbone.run(images[:1], stop=method.cut).numel() * 4
            gains = ", ".join(f"{e} epochs {e * peer_s / (peer_s - own_s + e * own_s):.1f}" for e in EPOCHS)
            print(
                f"{model} {name}: with the network {peer_s:.3f} s, coldframe {own_s:.3f} s, ratio {peer_s / own_s:.1f} a step; "
                f"with the one pass of the network {gains}; {kept / 1000:.0f} kB per image", flush=True,
            )  # fmt: skip
        for name in () if given.beside else given.methods:
            for last in given.last:
                pair = steps(backbone, name, last, images, labels)
                same(*(step() for step in pair.values()))
                peer_s, own_s = timed(pair, given.turns)
                kept = backbone.run(images[:1], stop=f"block{backbone.layers - last}").numel() * 4
                print(
                    f"{model} {name} k={last}: on pixels {peer_s:.3f} s, coldframe {own_s:.3f} s, ratio {peer_s / own_s:.2f}, "
                    f"{kept / 1000:.0f} kB per image", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
