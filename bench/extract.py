"""`coldframe extract` from JPEG files beside the bare forward, and its memory for few and many images.

    python bench/extract.py [--images 192] [--threads 1] [--turns 5] [--few 1000] [--many 10000]

1. Images a second of lite0's features from JPEG files (the photographs of Caltech-101 where they are at hand, else the bundled
   ones), everything included: decoding, hashing, writing. Beside it, in turns, the bare forward of the same images as ready
   tensors, in the same pieces. Medians of the ratio of neighbouring turns, by wall clock and by the processor's time; loading
   the model is in neither.
2. Peak resident memory of a process that extracts features of few and of many files, with a small network.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from coldframe import load_backbone, load_dataset
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.files import data_root
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine

PIECE = 8
CHILD = """
import resource, sys
from pathlib import Path
from coldframe.machine.allocator import keep_freed_memory
keep_freed_memory()
import torch
torch.set_num_threads(1)
from coldframe.verbs.extract import extract_data
extract_data("pocket/random", sys.argv[1], sys.argv[2], layers=["features", "block6"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def jpegs(count: int, folder: Path) -> Files:
    """Return so many photographs as JPEG files: those of Caltech-101, or the bundled ones, written to ``folder``."""
    root = data_root()
    found = sorted((root / "caltech101" / "train").rglob("*.jpg")) if root is not None else []
    if not found:
        images = load_dataset("mini:caltech7").train.images
        for number in range(len(images)):
            images.open(number).save(folder / f"{number}.jpg", quality=90)
        found = sorted(folder.glob("*.jpg"))
    return Files(tuple(found[at * len(found) // count] for at in range(count)))


def rate(settings: argparse.Namespace) -> None:
    """Print the ratio of both rates."""
    backbone = load_backbone("lite0")
    with tempfile.TemporaryDirectory() as folder:
        files = jpegs(settings.images, Path(folder))
        pixels = torch.from_numpy(load_pixels(files, range(len(files)), backbone.preprocess))
        ready = backbone.normalise(pixels)

        @torch.inference_mode()
        def bare() -> None:
            for piece in ready.split(PIECE):
                backbone.run(piece)

        def whole() -> None:
            with tempfile.TemporaryDirectory() as out:
                extract(backbone, Source("files", files), out)

        bare(), whole()
        pairs = [(timed(bare), timed(whole)) for _ in range(settings.turns)]
    for place, name in enumerate(("wall", "processor")):
        first, second = (statistics.median(pair[which][place] for pair in pairs) for which in (0, 1))
        ratio = statistics.median(pair[0][place] / pair[1][place] for pair in pairs)
        print(f"{name:9}  bare {1e3 * first / len(files):6.1f} ms per image   extract {1e3 * second / len(files):6.1f}   "
              f"share of the bare forward {ratio:.0%}")  # fmt: skip


def memory(settings: argparse.Namespace) -> None:
    """Print the peaks of both processes."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "made").mkdir()
        sources = jpegs(200, Path(place) / "made").paths
        for count in (settings.few, settings.many):
            folder = Path(place) / f"many-{count}"
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:06}.jpg").symlink_to(sources[number % len(sources)].resolve())
            command = [sys.executable, "-c", CHILD, str(folder), str(Path(place) / f"out-{count}")]
            peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = sum(path.stat().st_size for path in (Path(place) / f"out-{count}").iterdir()) / 2**20
            print(f"{count:7,} images: peak {peak:5.0f} MiB resident, {size:5.0f} MiB written")


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10000)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    about = machine()
    print(f"lite0, fp32; {about['cpu']}, {about['threads']} threads, torch {about['torch']}")
    rate(settings)
    memory(settings)


if __name__ == "__main__":
    main()
