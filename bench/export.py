"""Exported files beside coldframe: the largest difference of a probability, and onnxruntime's latency beside PyTorch's.

    python bench/export.py [--models lite0 --models pocket] [--methods knn,gda] [--to onnx] [--input uint8] [--turns 0]

Every method that a model can carry is fitted on ten images per class of the bundled mini:caltech7 (one epoch where there are
epochs), written by ``coldframe.delivery.export`` and compared on 16 bundled photographs; the bar is 1e-5. Models named /random,
and open_clip's without a tag, have random weights. ``--turns N`` times one image on one thread, N times in turns, the file in
onnxruntime and the fitted method in eager PyTorch, and prints medians. The exit status is 1 where a file does not agree.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from coldframe import load_backbone, load_dataset
from coldframe.cold import ColdPass, Store
from coldframe.delivery.export import TOLERANCE, export
from coldframe.delivery.formats import onnx_session
from coldframe.delivery.servable import given
from coldframe.errors import ColdframeError, InputError, ModelError
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.methods import Method, method_class
from coldframe.registry import METHODS
from coldframe.verbs.export import photographs

MODELS = (
    "lite0", "pocket", "timm:mobilenetv2_100/random", "open_clip:ViT-S-32", "timm:vit_tiny_patch16_224/random",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", action="append")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--to", default="onnx")
    parser.add_argument("--input", default="uint8")
    parser.add_argument("--turns", type=int, default=0)
    settings = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}\n", flush=True)
    print("| model | method | largest difference | MB | onnxruntime ms | PyTorch ms | ratio |")
    print("| --- " * 7 + "|")
    data, failures, worst, count = load_dataset("mini:caltech7", shots=10), 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for model in settings.models or MODELS:
            backbone, cold = load_backbone(model), ColdPass(Store(Path(folder) / "store"))
            images = photographs(backbone.preprocess)
            for name in settings.methods.split(","):
                kind = method_class(name)
                try:
                    method = kind(backbone, **({"epochs": 1} if "epochs" in kind.settings() else {}))
                except (InputError, ModelError) as error:
                    print(f"| {model} | {name} | cannot be: {error} | | | | |", flush=True)
                    continue
                method.fit(data.train, val=data.val, cold=cold)
                path = Path(folder) / "file"
                try:
                    done = export(method, path, images, to=settings.to, takes=settings.input)
                except ColdframeError as error:
                    failures += 1
                    print(f"| {model} | {name} | FAILED: {error} | | | | |", flush=True)
                    continue
                count, worst = count + 1, max(worst, done.difference)
                times = timed(method, path, images[:1], settings.turns, settings.input) if settings.turns else "- | - | -"
                print(f"| {model} | {name} | {done.difference:.1e} | {done.bytes / 1e6:.1f} | {times} |", flush=True)
    print(f"\n{count} files agree, largest difference {worst:.1e} (bar {TOLERANCE:g}); {failures} do not agree")
    return 1 if failures else 0


@torch.no_grad()
def timed(method: Method, path: Path, image: torch.Tensor, turns: int, takes: str) -> str:
    """Return the cells of both medians in ms, and their ratio."""
    session, pixels = onnx_session(path), given(image, takes).numpy()  # type: ignore[arg-type]
    calls: list[Callable[[], object]] = [
        lambda: session.run(None, {"pixels": pixels}), lambda: method(method.backbone.normalise(image)).softmax(-1),
    ]  # fmt: skip
    spent: list[list[float]] = [[], []]
    for turn in range(turns + 3):
        for which, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if turn >= 3:
                spent[which].append(time.perf_counter() - start)
    served, eager = (1000 * statistics.median(one) for one in spent)
    return f"{served:.2f} | {eager:.2f} | {served / eager:.2f}"


if __name__ == "__main__":
    sys.exit(main())
