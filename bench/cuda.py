"""A GPU against the CPU: the same features, methods and attacks, and what the cold pass reaches of the bare forward.

    python bench/cuda.py [--device cuda] [--models pocket,timm:resnet18/random,torchvision:vit_b_32/random]
                         [--parts features,methods,attack,verbs,rates] [--out FILE]

1. Features of 16 random images in fp32 and bf16 against fp32 on the CPU: relative error ||a - b|| / ||b||.
2. Every method on mini:caltech7 with pocket (``conv-lora`` and ``bn-tune`` with lite0), 8 training images per class and two
   epochs: top-1 on the CPU, on the device in fp32 and with the frozen part in bf16; the share of equal answers of the first
   two, and the largest relative error of what was learned. Then PGD on both: the share of equal values.
3. Images a second of the bare forward in bf16 (batches of 256, ready tensors) and of the cold pass of mini:cifar10's 1,600
   training images (decoding, hashing, writing), second of two runs.
4. Verbs with ``--device``: exit status and seconds of each, its start included.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe import ColdPass, LinearProbe, ZeroShot, load_backbone, load_dataset
from coldframe.attacks import PGD
from coldframe.cold import Store
from coldframe.data.base import Dataset
from coldframe.evaluation.classifiers import logits_of
from coldframe.files import write_json
from coldframe.measures import machine
from coldframe.methods import method_class
from coldframe.registry import METHODS


def relative(found: Tensor, expected: Tensor) -> float:
    """Return the relative error in the Euclidean norm."""
    a, b = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((a - b).norm() / b.norm())


SHORT = {"epochs": 2, "lr": 1e-3, "steps": 50}
"""Settings that keep a fit short, where a method has them."""
OWN: dict[str, dict[str, Any]] = {
    "deep-prompt": {"layer": 8, "depth": 2, "lr": 0.1}, "pixel-prompt": {"lr": 2.0}, "ensemble": {"members": "knn,ridge"},
}
COLD = ColdPass(Store(Path(tempfile.mkdtemp())), batch_size=64)
VERBS = (
    "compare --fast --data mini:caltech7 --out {out}/compare",
    "compare --fast --data mini:caltech7 --precision bf16 --out {out}/compare16",
    "fit lora --data mini:caltech7 --shots 10 --epochs 2 --out {out}/lora",
    "evaluate {out}/lora --data mini:caltech7 --corruptions --disturbed 50",
    "predict {out}/images --model {out}/lora",
    "zero-shot --data mini:cifar10 --out {out}/zero",
    "sweep linear-probe --data mini:caltech7 --shots 10 --grid l2=1e-4,1e-2 --out {out}/sweep",
    "extract --model pocket --data mini:caltech7 --out {out}/features",
    "inspect features {out}/images --model pocket --out {out}/inspect",
    "attack {out}/images --model {out}/lora --out {out}/attack",
    "benchmark pocket timm:resnet18/random --passes 5 --out {out}/benchmark",
    "train cnn --epochs 2 --out {out}/cnn",
    "train cnn --epochs 2 --precision bf16 --out {out}/cnn16",
    "train vae --epochs 5 --out {out}/vae",
    "train aae --epochs 5 --out {out}/aae",
)
"""What is run with the device; {out} is a folder that is removed."""


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


def method(name: str, device: str, data: Dataset) -> dict[str, Any]:
    """Fit a method on both devices, there in two precisions, and compare what it learned and answers."""
    model = "lite0" if name in ("conv-lora", "bn-tune") else "pocket"
    answers, states = list[Tensor](), list[dict[str, Tensor]]()
    found: dict[str, Any] = {}
    for where, dtype in (("cpu", "fp32"), (device, "fp32"), (device, "bf16")):
        kind = method_class(name)
        settings = {key: value for key, value in SHORT.items() if key in kind.settings()} | OWN.get(name, {})
        one = kind(load_backbone(model, device=where, dtype=dtype), **settings)
        start = time.perf_counter()
        if isinstance(one, ZeroShot):
            one.for_classes(data.classes)
        else:
            one.unlabelled = data.test if kind.transductive else None
            one.fit(data.train, data.val, cold=COLD)
        answers.append(one.predict(data.test, cold=COLD).cpu())
        states.append(one.state())
        found[f"{where} {dtype}"] = round(100 * float((answers[-1] == torch.from_numpy(data.test.labels)).double().mean()), 1)
        found[f"{where} {dtype}, s"] = round(time.perf_counter() - start, 1)
    learned = {key: value for key, value in states[0].items() if value.is_floating_point() and value.norm() > 0}
    same = [key for key, value in learned.items() if states[1][key].shape == value.shape]
    errors = [relative(states[1][key], learned[key]) for key in same]
    equal = float((answers[0] == answers[1]).float().mean())
    if other := sorted(learned.keys() - set(same)):
        found["other shapes"] = ", ".join(other)
    return {"equal_answers": round(equal, 4), "largest_relative_error": max(errors, default=0.0), **found}


def verbs(device: str) -> None:
    """Run verbs with the device and print how each ended."""
    with tempfile.TemporaryDirectory() as folder:
        images = load_dataset("mini:caltech7").test.images
        (Path(folder) / "images").mkdir()
        for number in range(8):
            images.open(40 * number).save(Path(folder) / "images" / f"{number}.png")
        for line in VERBS:
            words = [word.format(out=folder) for word in shlex.split(line)] + ["--device", device]
            start = time.perf_counter()
            command = [sys.executable, "-m", "coldframe", *words]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
            said = "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1:]
            print(f"{done.returncode} {time.perf_counter() - start:6.1f} s  {line} {said}", flush=True)


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
    parser.add_argument("--parts", default="features,methods,attack,verbs,rates")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device, names, parts = options.device, options.models.split(","), options.parts.split(",")
    found: dict[str, Any] = {"machine": machine(device)}

    def part(what: str, value: dict[str, Any]) -> None:
        found[what] = value
        print(what, json.dumps(value), flush=True)
        if options.out is not None:
            write_json(options.out, found)

    if "features" in parts:
        for name in names:
            for dtype in ("fp32", "bf16"):
                part(f"features of {name}, {dtype}", features(name, dtype, device))
    if "methods" in parts:
        data = load_dataset("mini:caltech7", shots=8)
        for name in METHODS:
            part(name, method(name, device, data))
    if "attack" in parts:
        part("PGD", attack(device))
    if "rates" in parts:
        for name in names:
            part(f"rate of {name}, bf16", rate(name, device))
    if "verbs" in parts:
        verbs(device)


if __name__ == "__main__":
    main()
