"""Heads on the stored features of more images than memory should hold: time and memory of the fit, and what it gets right.

    python bench/probe.py [--images 1000000] [--width 512] [--classes 10] [--method linear-probe] [--set l2=0.0001] [--held]

Features are drawn (class centres and noise, seed 0), 20,000 more for validation and 20,000 for the test, and are written to a
store in units of 4,096, as ``coldframe prepare`` leaves them. Then the method is fitted as ``coldframe fit`` does it.
``--held`` raises the share of memory that features may take, so that they are held. Memory is looked at every 50 ms: what the
process owns, and beside it the pages of the store's files that are mapped, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from coldframe import load_backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.measures import machine
from coldframe.methods import method_class, rows

UNIT = 4096
HELD_OUT = 20_000


class Numbered:
    """Images that are known by their numbers alone."""

    def __init__(self, first: int, n: int) -> None:
        self.first, self.n = first, n

    def __len__(self) -> int:
        return self.n

    def open(self, index: int) -> Image.Image:
        raise RuntimeError("their features are stored; nothing reads them")

    def digest(self, index: int) -> str:
        return f"{self.first + index:032x}"

    def name(self, index: int) -> str:
        return str(self.first + index)


class Watched(threading.Thread):
    """Looks at the memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = self.mapped = self.both = 0

    def run(self) -> None:
        while True:
            told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
            own, mapped = (int(told[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile"))
            self.own, self.mapped, self.both = max(self.own, own), max(self.mapped, mapped), max(self.both, own + mapped)
            time.sleep(0.05)


def drawn(cold: ColdPass, backbone: Any, settings: argparse.Namespace) -> list[Split]:
    """Write features to the store, and return the images that they belong to."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((settings.classes, settings.width), dtype=np.float32)
    scale = np.logspace(0, -1, settings.width, dtype=np.float32)
    classes, key, splits, first = tuple(map(str, range(settings.classes))), cold.key(backbone, "features"), [], 0
    for name, n in (("train", settings.images), ("val", HELD_OUT), ("test", HELD_OUT)):
        labels = generator.integers(0, settings.classes, n)
        for start in range(0, n, UNIT):
            y = labels[start : start + UNIT]
            noise = generator.standard_normal((len(y), settings.width), dtype=np.float32)
            writer = cold.store.writer(key)
            x = (0.12 * centres[y] + noise) * scale + 0.3
            writer.add([f"{first + start + row:032x}" for row in range(len(y))], torch.from_numpy(x))
            writer.close()
        splits.append(Split(name, Numbered(first, n), labels, classes))
        first += n
    return splits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--method", choices=("linear-probe", "ridge"), default="linear-probe")
    parser.add_argument("--set", dest="changes", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    if settings.held:
        rows.SHARE = 1.0
    changes: dict[str, Any] = {}
    for text in settings.changes:
        name, _, value = text.partition("=")
        changes[name] = float(value) if value[:1].isdigit() else value
    with tempfile.TemporaryDirectory() as folder:
        cold, backbone = ColdPass(Store(folder)), load_backbone("timm:test_resnet/random")
        train, val, test = drawn(cold, backbone, settings)
        watched = Watched()
        watched.start()
        began, processor = time.monotonic(), time.process_time()
        method = method_class(settings.method)(backbone, **changes).fit(train, val, cold=cold)
        wall, used = time.monotonic() - began, time.process_time() - processor
        size = f"{settings.images:,} x {settings.width} float32, {settings.classes} classes"
        print(f"{size}, {settings.method} {changes}; {machine()['cpu']}, {settings.threads} threads")
        print(f"{wall / 60:.1f} minutes, {used / 60:.1f} of processor time")
        print(f"memory at most: its own {watched.own:,} MiB, mapped {watched.mapped:,} MiB, together {watched.both:,} MiB")
        print(f"top-1 on the test images {method.score(test, cold=cold):.4f}")
        print({name: value for name, value in method.choices.items() if name not in ("path", "calibration")})


if __name__ == "__main__":
    main()
