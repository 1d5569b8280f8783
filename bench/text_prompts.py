"""A training step of CoOp beside the straightforward one: same loss, same gradient, in one run.

    python bench/text_prompts.py [--classes 20] [--tokens 16] [--batch 32] [--threads 1] [--turns 3]

open_clip's ViT-B-32 with random weights in fp32, images of 224 pixels as ready tensors, one context for all classes. The
straightforward step runs the images through the frozen tower without gradients and K prompts through all 77 positions of the
text tower, whose weights take no gradient; that is the published code with its weights frozen. Ours reads stored features, runs
the prompts as far as the longest, the positions that they share once, and the last block for the position that is read. The
steps take turns after one that is not counted; medians of the wall clock and of the processor's time are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from coldframe import load_backbone
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.methods import contexts

NAMES = (
    "dog", "cat", "fire truck", "grand piano", "sunflower", "water lily", "wild cat", "soccer ball", "ceiling fan", "stop sign",
    "sea horse", "gramophone", "helicopter", "hedgehog", "wheelchair", "windsor chair", "pizza", "okapi", "pagoda", "menorah",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    settings = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    backbone = load_backbone("open_clip:ViT-B-32")
    net: Any = backbone.module
    text = contexts.text_of(backbone)
    names = [NAMES[k % len(NAMES)] + (f" {k}" if k >= len(NAMES) else "") for k in range(settings.classes)]
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(settings.batch, 3, 224, 224, generator=generator)
    labels = torch.arange(settings.batch) % settings.classes
    context = (torch.randn(settings.tokens, 512, generator=generator) * 0.02).requires_grad_(True)
    tokens = text.tokenize([name + "." for name in names])
    embedded = net.token_embedding(tokens)
    ends = tokens.argmax(-1) + settings.tokens
    prompts = contexts.prompts_of(text, names, ".", settings.tokens, "end")
    with torch.no_grad():
        stored = backbone.run(images)

    def whole_text() -> Tensor:
        own = context.expand(len(names), -1, -1)
        x = torch.cat([embedded[:, :1], own, embedded[:, 1 : text.context_length - settings.tokens]], dim=1)  # [K, 77, D]
        x = net.transformer(x + net.positional_embedding, attn_mask=net.attn_mask)
        return net.ln_final(x)[torch.arange(len(x)), ends] @ net.text_projection

    def our_text() -> Tensor:
        return text.encode_embeddings(prompts.embed(context), prompts.ends, prompts.shared)

    def step(features: Callable[[], Tensor], words: Callable[[], Tensor]) -> tuple[float, Tensor]:
        x, y = functional.normalize(features(), dim=-1), functional.normalize(words(), dim=-1)
        loss = functional.cross_entropy(backbone.logit_scale * x @ y.T, labels)
        (gradient,) = torch.autograd.grad(loss, [context])
        return float(loss.detach()), gradient

    def cold() -> Tensor:
        with torch.no_grad():
            return backbone.run(images)

    ways: dict[str, Callable[[], tuple[float, Tensor]]] = {
        "images and 77 positions": lambda: step(cold, whole_text),
        "stored features and 77 positions": lambda: step(lambda: stored, whole_text),
        "ours": lambda: step(lambda: stored, our_text),
    }
    found = {name: way() for name, way in ways.items()}
    loss, gradient = found["images and 77 positions"]
    for name, (other, theirs) in found.items():
        error = float((theirs - gradient).abs().max() / gradient.abs().max())
        print(f"{name}: loss {other:.6f}, largest difference of the gradient {error:.1e} of its largest value")
        assert abs(other - loss) <= 1e-5 * abs(loss) and error <= 1e-4
    walls: dict[str, list[float]] = {name: [] for name in ways}
    works: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(settings.turns):
        for name, way in ways.items():
            wall, work = time.perf_counter(), time.process_time()
            way()
            walls[name].append(time.perf_counter() - wall)
            works[name].append(time.process_time() - work)
    print(f"{machine(torch.device('cpu'))}")
    print(f"{settings.classes} classes, {settings.tokens} context vectors, batch {settings.batch}, medians of {settings.turns}")
    print(f"positions run: {prompts.shared} shared + {settings.classes} x {prompts.order.shape[1] - prompts.shared}")
    ours = statistics.median(works["ours"])
    for name in ways:
        wall, work = statistics.median(walls[name]), statistics.median(works[name])
        print(f"{name:34} {wall:8.3f} s   processor {work:8.3f} s   {work / ours:6.1f} times ours")


if __name__ == "__main__":
    main()
