"""A GPU against the CPU: the same features, methods and attacks, and what the cold pass reaches of the bare forward.

    python bench/cuda.py [--device cuda] [--models pocket,timm:resnet18/random,torchvision:vit_b_32/random] [--out FILE]

1. Features of 16 random images in fp32 and bf16 against fp32 on the CPU: relative error ||a - b|| / ||b||.
2. Zero-shot, a linear probe, deep prompts (four epochs, linear head), fine-tuning of the last block (one epoch) and PGD on
   mini:cifar10 with pocket on both: share of equal answers on the 1,000 test images, largest relative error of what was
   learned.
3. Images a second of the bare forward in bf16 (batches of 256, ready tensors) and of the cold pass of mini:cifar10's 1,600
   training images (decoding, hashing, writing), second of two runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import ColdPass, DeepPrompt, FineTune, LinearProbe, ZeroShot, load_backbone, load_dataset
from coldframe.attacks import PGD
from coldframe.backbones.base import Backbone
from coldframe.cold import Store
from coldframe.evaluation.classifiers import logits_of
from coldframe.files import write_json
from coldframe.measures import machine


def relative(found: Tensor, expected: Tensor) -> float:
    """Return the relative error in the Euclidean norm."""
    a, b = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((a - b).norm() / b.norm())


def fresh() -> ColdPass:
    """Return a cold pass with an empty store."""
    return ColdPass(Store(Path(tempfile.mkdtemp())), batch_size=256)


def features(name: str, dtype: str, device: str) -> dict[str, Any]:
    """Compare the features of random images."""
    here, there = load_backbone(name), load_backbone(name, device=device, dtype=dtype)
    side = here.preprocess.size
    x = torch.randn(16, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return {"relative_error": relative(there.run(x.to(device, there.dtype)).float(), here.run(x))}


def method(make: Callable[[Backbone], Any], device: str) -> dict[str, Any]:
    """Fit a method on both devices and compare what it learned and answers."""
    data, fitted = load_dataset("mini:cifar10"), []
    for place in ("cpu", device):
        one = make(load_backbone("pocket", device=place))
        if not isinstance(one, ZeroShot):
            one = one.fit(data.train, data.val, cold=fresh())
        fitted.append((one.state(), one.predict(data.test, cold=fresh()).cpu()))
    (state, answers), (other, others) = fitted
    errors = [relative(other[key], value) for key, value in state.items() if value.is_floating_point() and value.norm() > 0]
    return {"equal_answers": float((answers == others).float().mean()), "largest_relative_error": max(errors, default=0.0)}


def attack(device: str) -> dict[str, Any]:
    """Attack random images on both devices from the same start."""
    data, found = load_dataset("mini:cifar10"), []
    for place in ("cpu", device):
        backbone = load_backbone("pocket", device=place)
        probe = LinearProbe(backbone).fit(data.train, data.val, cold=fresh())
        side = backbone.preprocess.size
        images = torch.randint(0, 256, (16, 3, side, side), generator=torch.Generator().manual_seed(1)).to(place) / 255
        found.append(PGD(4 / 255, steps=5)(logits_of(probe), images, torch.arange(16, device=place) % 10).uint8().cpu())
    return {"equal_values": float((found[0] == found[1]).float().mean())}


def rate(name: str, device: str) -> dict[str, Any]:
    """Return images per second of the bare forward and of the cold pass."""
    backbone, train = load_backbone(name, device=device, dtype="bf16"), load_dataset("mini:cifar10").train
    side = backbone.preprocess.size
    x = torch.randn(256, 3, side, side, device=device, dtype=backbone.dtype)

    def seconds(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def bare(times: int) -> None:
        with torch.no_grad():
            for _ in range(times):
                backbone.run(x)

    seconds(lambda: bare(5))
    forward = 20 * len(x) / seconds(lambda: bare(20))
    cold = [len(train) / seconds(lambda: fresh().activations(backbone, train, "features")) for _ in range(2)][-1]
    return {"bare_images_s": round(forward), "cold_images_s": round(cold), "share": round(cold / forward, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", default="pocket,timm:resnet18/random,torchvision:vit_b_32/random")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device, names = options.device, options.models.split(",")
    found: dict[str, Any] = {"machine": machine(device)}

    def part(what: str, value: dict[str, Any]) -> None:
        found[what] = value
        print(what, json.dumps(value), flush=True)

    for name in names:
        for dtype in ("fp32", "bf16"):
            part(f"features of {name}, {dtype}", features(name, dtype, device))
    classes = load_dataset("mini:cifar10").classes
    part("zero-shot", method(lambda b: ZeroShot(b).for_classes(classes), device))
    part("linear probe", method(LinearProbe, device))
    part("deep prompt", method(lambda b: DeepPrompt(b, tokens=4, layer=8, head="linear", epochs=4), device))
    part("fine-tune", method(lambda b: FineTune(b, layers="last-block", epochs=1), device))
    part("PGD", attack(device))
    for name in names:
        part(f"rate of {name}, bf16", rate(name, device))
    if options.out is not None:
        write_json(options.out, found)


if __name__ == "__main__":
    main()
