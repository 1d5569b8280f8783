"""One training step of a prompt against the straightforward frozen step on pixels, in turns; gradients are checked equal.

    python bench/prompts.py [--model open_clip:ViT-B-32/random] [--batch 32] [--classes 100] [--threads 2] [--turns 3]
                            [--device cpu] [--precision fp32] [--skip-grid] [--skip-bahng]

The straightforward step has ready images, frozen weights, class embeddings made once, and the network's own forward pass,
into which the prompt is put by addition (pixel prompt) or by a hook (deep prompt); its loss is driven back to the prompt.
Ours starts from stored activations. The step of Bahng's published code leaves the weights unfrozen and runs the text tower
at every step.

Printed are medians of the processor's seconds and of the wall clock, and the ratio of the former; on a GPU of the latter.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from coldframe import load_backbone
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.methods import templates
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.methods.prompt_tokens import StoredColumn

Step = Callable[[], Tensor]
"""Runs forward and backward; returns the prompt's gradient."""


def timed(step: Step, device: str) -> tuple[float, float, Tensor]:
    """Return processor and wall seconds of one step, and its gradient."""
    wall, cpu = time.perf_counter(), time.process_time()
    gradient = step()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall, gradient


def compare(name: str, steps: dict[str, Step], turns: int, device: str, tolerance: float) -> dict[str, float]:
    """Run steps in turns after one round that does not count; print medians and ratios to the first; return the medians."""
    seconds: dict[str, list[tuple[float, float]]] = {key: [] for key in steps}
    for turn in range(turns + 1):
        gradients = {}
        for key, step in steps.items():
            cpu, wall, gradients[key] = timed(step, device)
            if turn:
                seconds[key].append((cpu, wall))
        if not turn:
            expected = next(iter(gradients.values()))
            for key, gradient in gradients.items():
                error = float(((gradient - expected).abs().max() / expected.abs().max()).item())
                assert error < tolerance, f"{name}, {key}: gradients differ by {error:.2g}"
    medians = {key: [statistics.median(column) for column in zip(*rows, strict=True)] for key, rows in seconds.items()}
    shown = 0 if device == "cpu" else 1
    first = next(iter(medians.values()))[shown]
    for key, (cpu, wall) in medians.items():
        print(f"| {name} | {key} | {cpu:.3f} | {wall:.3f} | {first / medians[key][shown]:.2f} |", flush=True)
    return {key: value[shown] for key, value in medians.items()}


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="open_clip:ViT-B-32/random")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--skip-grid", action="store_true")
    parser.add_argument("--skip-bahng", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone = load_backbone(options.model, device=options.device, dtype=options.precision)
    tolerance = 1e-4 if options.precision == "fp32" else 0.2
    S = backbone.preprocess.size
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(options.classes, (options.batch,), generator=draw).to(options.device)
    images = torch.randn(options.batch, 3, S, S, generator=draw).to(options.device, backbone.dtype)
    classes = tuple(f"class {k}" for k in range(options.classes))
    print(machine(backbone.device), options.model, f"batch {options.batch}, {options.turns} turns")
    print("| prompt | step | processor, s | wall, s | ratio |\n| --- | --- | --- | --- | --- |")

    def deep(**settings: Any) -> dict[str, Step]:
        method = DeepPrompt(backbone, **{"init": "normal", **settings})
        method.classes = classes
        method.scores.prepare(classes, 0)
        method.prompt = method._drawn().to(options.device).requires_grad_()
        with torch.no_grad():
            stored = StoredColumn(backbone.run(images, stop=method.cut))
        everything = torch.arange(options.batch)

        def step(logits: Callable[[], Tensor]) -> Step:
            return lambda: torch.autograd.grad(functional.cross_entropy(logits(), labels), method.prompt)[0]

        def straightforward() -> Tensor:
            with inserted(method, backbone.module):
                return method.scores(backbone.module.encode_image(images))  # type: ignore[operator]

        found = {"straightforward": step(straightforward), "stored": step(lambda: method.warm(stored.gather(everything)))}
        if keys := method._keys([stored]):
            ours = method._training([stored], keys)
            found["stored, keys and values kept"] = step(lambda: ours(everything, 0))
        return found

    last = backbone.layers - 1
    for layer in (last, backbone.layers // 2, 0):
        compare(f"deep, 8 tokens, L = {layer}", deep(tokens=8, layer=layer), options.turns, options.device, tolerance)

    def pixel(batch: Tensor, truth: Tensor, names: tuple[str, ...]) -> tuple[PixelPrompt, dict[str, Step]]:
        method = PixelPrompt(backbone, kind="pad", init="normal")
        method.classes = names
        method.head.prepare(names, 0)
        method.prompt = {
            name: torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(options.device).requires_grad_()
            for name, shape in method.shapes().items()
        }
        with torch.no_grad():
            stored = backbone.run(batch, stop=method.cut)

        def gradient(logits: Tensor) -> Tensor:
            return torch.autograd.grad(functional.cross_entropy(logits, truth), method.prompt["up"])[0]

        def straightforward() -> Tensor:
            x = batch + method.picture().to(batch.dtype)
            return gradient(method.head(backbone.module.encode_image(x)))  # type: ignore[operator]

        return method, {"straightforward": straightforward, "stored": lambda: gradient(method.warm(stored))}

    _, steps = pixel(images, labels, classes)
    compare(f"pixel, pad {round(S * 30 / 224)}", steps, options.turns, options.device, tolerance)

    if not options.skip_grid:
        total = {"straightforward": 0.0, "ours": 0.0}
        for layer in (0, backbone.layers // 2, last):
            for tokens in (1, 4, 8):
                for position, readout in (("front", "first"), ("back", "class")):
                    cell = deep(tokens=tokens, layer=layer, position=position, readout=readout)
                    name = f"grid: L = {layer}, {tokens} tokens, {position}"
                    found = compare(name, cell, 1, options.device, tolerance)
                    total["straightforward"] += found["straightforward"]
                    total["ours"] += min(value for key, value in found.items() if key != "straightforward")
        ratio = total["straightforward"] / total["ours"]
        print(f"| grid of 18 cells | ours | {total['ours']:.1f} | | {ratio:.2f} |", flush=True)

    if not options.skip_bahng:
        more = torch.cat([images, images])
        method, steps = pixel(more, torch.cat([labels, labels]), classes)
        texts = [templates.fill(templates.PHOTO, name) for name in classes]
        tokens = backbone.text.tokenize(texts)  # type: ignore[union-attr]

        def bahng() -> Tensor:
            net: Any = backbone.module.requires_grad_(True)
            try:
                image = functional.normalize(net.encode_image(more + method.picture().to(more.dtype)), dim=-1)
                text = functional.normalize(net.encode_text(tokens), dim=-1)
                logits = backbone.logit_scale * (image @ text.T).float()
                functional.cross_entropy(logits, torch.cat([labels, labels])).backward()
                found = method.prompt["up"].grad
                assert found is not None
                return found.clone()
            finally:
                net.zero_grad(set_to_none=True)
                net.requires_grad_(False)
                for value in method.prompt.values():
                    value.grad = None

        name = f"pixel, pad {method.pixels}, batch {len(more)}, {len(classes)} classes"
        compare(name, {"Bahng's way": bahng, "stored": steps["stored"]}, options.turns, options.device, tolerance)


@contextmanager
def inserted(method: DeepPrompt, net: Any) -> Iterator[None]:
    """Put the prompt into open_clip's own forward pass before block L; its end reads the first token of the sequence."""
    blocks, front = net.visual.transformer.resblocks, method.position == "front"

    def put(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        x = arguments[0]
        p = method.prompt.to(x.dtype).expand(len(x), -1, -1)
        return (torch.cat([p, x] if front else [x, p], dim=1), *arguments[1:])

    handle = blocks[method.layer].register_forward_pre_hook(put)
    try:
        yield
    finally:
        handle.remove()


if __name__ == "__main__":
    main()
