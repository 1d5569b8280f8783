"""The cold pass from JPEG files under each engine, beside eager PyTorch's bare forward of ready tensors.

    python bench/engines.py [--models lite0 ...] [--engines eager folded onnxruntime] [--images 256] [--threads 1] [--turns 5]

In turns: the bare forward of the network as coldframe loads it (eager PyTorch, channels last where that is faster) on
normalised tensors in memory, in pieces of 8; and ``extract`` of the same images from JPEG files (the photographs of Caltech-101
where they are at hand, else the bundled ones), decoding, hashing, the trial of the engine on 8 images and writing included. An
engine's export, done once and kept, and loading the model are in neither. Printed: medians of the processor's time an
image, and the median of the ratio of neighbouring turns, bare forward / whole pass: above 1 the pass is the faster.

``--rates`` says how far an engine could go: operations a second of the bare forward, and of one large product of matrices.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from extract import PIECE, jpegs, timed
from torch.utils.flop_counter import FlopCounterMode

from coldframe import load_backbone
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source
from coldframe.data.decode import load_pixels
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine

MODELS = ["lite0", "timm:mobilenetv2_100/random", "torchvision:resnet18/random", "open_clip:ViT-B-32/random"]


def rates(names: list[str], turns: int) -> None:
    """Print operations a second of processor time: of a product of two matrices of 2,048 x 2,048, and of bare forwards."""
    a = torch.randn(2048, 2048)

    def rate(run: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counted:
            run()
        return counted.get_total_flops() / statistics.median(timed(run)[1] for _ in range(turns)) / 1e9

    print(f"matrix product: {rate(lambda: a @ a):.0f} thousand million operations a second")
    for name in names:
        backbone = load_backbone(name)
        x = torch.randn(PIECE, 3, backbone.preprocess.size, backbone.preprocess.size)
        with torch.no_grad():
            print(f"{name}: {rate(partial(backbone.run, x)):.0f}", flush=True)


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--engines", nargs="+", default=["eager", "folded", "onnxruntime"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rates", action="store_true")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    if settings.rates:
        rates(settings.models, settings.turns)
        return
    about = machine()
    print(f"fp32; {about['cpu']}, {about['threads']} threads, torch {about['torch']}, {settings.images} images\n")
    print("| model | engine | bare forward, ms (processor) | cold pass, ms (processor) | ratio (processor) | ratio (wall) |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COLDFRAME_CACHE"] = folder
        (Path(folder) / "made").mkdir()
        files = jpegs(settings.images, Path(folder) / "made")
        for name in settings.models:
            backbone = load_backbone(name)
            ready = backbone.normalise(torch.from_numpy(load_pixels(files, range(len(files)), backbone.preprocess)))
            for engine in settings.engines:

                @torch.inference_mode()
                def bare(x: torch.Tensor = ready, run: Callable[..., torch.Tensor] = backbone.run) -> None:
                    for piece in x.split(PIECE):
                        run(piece)

                def whole(engine: str = engine, backbone: object = backbone) -> str:
                    with tempfile.TemporaryDirectory() as out:
                        found = extract(backbone, Source("files", files), out, engine=engine)  # type: ignore[arg-type]
                    return str(found.get("engine", found.get("note", "eager")))

                ran = whole()
                pairs = [(timed(bare), timed(whole)) for _ in range(settings.turns)]
                bare_ms, pass_ms = (1e3 * statistics.median(pair[k][1] for pair in pairs) / len(files) for k in (0, 1))
                wall, cpu = (statistics.median(pair[0][k] / pair[1][k] for pair in pairs) for k in (0, 1))
                print(f"| {name} | {ran} | {bare_ms:.1f} | {pass_ms:.1f} | {cpu:.2f} | {wall:.2f} |", flush=True)


if __name__ == "__main__":
    main()
