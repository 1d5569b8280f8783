"""The cold pass over units: one worker and two, killed at random moments, and its memory for few and many images.

    python bench/scale.py [--images 2000] [--model pocket/random] [--unit 100] [--kills 10] [--many 1000 10000 100000]

1. Images a second of the pass of ``coldframe prepare`` from JPEG files with one worker and with two, one thread each. Start-up
   (imports, the model) is not counted.
2. ``kill -9`` of a worker at random moments (a seed decides): the command is run again until nothing is missing. Then the store
   is compared, image by image and bit by bit, with one that was filled without a kill; and the units that were begun more than
   once are counted: at most one a kill.
3. Peak resident memory of a worker, with a network of no weight, for growing numbers of images.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from extract import jpegs

CHILD = """
import json, resource, sys
import torch
torch.set_num_threads(1)
from coldframe.cold import ColdPass, Store
from coldframe.backbones import load_backbone
from coldframe.data.base import without_labels
from coldframe.data.folder import Files
from coldframe.cold.units import prepare_units
from pathlib import Path
folder, store, model, unit, i, n = sys.argv[1:]
files = Files(tuple(sorted(Path(folder).iterdir())))
split = without_labels(files, "all", ["any"])
cold = ColdPass(Store(store), workers=1, budget=0)
told = lambda done, total: print("unit", done, flush=True)
backbone = load_backbone(model)
backbone.digest
print("ready", flush=True)
found = prepare_units(cold, backbone, [split], [("features", "plain")], worker=(int(i), int(n)), size=int(unit),
                      progress=told)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"done": found.done, "images": found.images, "seconds": found.seconds, "peak": peak}), flush=True)
"""


def start(folder: Path, store: Path, model: str, unit: int, i: int, n: int) -> subprocess.Popen[str]:
    """Start one worker."""
    command = [sys.executable, "-c", CHILD, str(folder), str(store), model, str(unit), str(i), str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def told(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a worker and return what it says at its end."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a worker stopped with {process.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def content(store: Path) -> tuple[dict[str, bytes], int]:
    """Return digest -> bytes of every activation, and how many are stored more than once."""
    found: dict[str, bytes] = {}
    twice = 0
    for manifest in (store / "cold").glob("*/shard-*/manifest.json"):
        digests = json.loads(manifest.read_text())["digests"]
        values = (manifest.parent / "values.bin").read_bytes()
        size = len(values) // len(digests)
        for row, digest in enumerate(digests):
            twice += digest in found
            found[digest] = values[row * size : (row + 1) * size]
    return found, twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--model", default="pocket/random")
    parser.add_argument("--unit", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--many", nargs="*", type=int, default=[1000, 10000, 100000])
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    drawn = random.Random(settings.seed)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "made").mkdir()
        sources = jpegs(200, root / "made").paths
        folder = copies(root / "images", sources, settings.images)
        for n in (1, 2):
            begun = [start(folder, root / f"store-{n}", settings.model, settings.unit, i, n) for i in range(1, n + 1)]
            found = [told(process) for process in begun]
            images, seconds = sum(one["images"] for one in found), max(one["seconds"] for one in found)
            print(f"{n} worker(s): {images:,.0f} images in {seconds:.1f} s, {images / seconds:.1f} images/s", flush=True)
        whole, _ = content(root / "store-1")
        assert content(root / "store-2") == (whole, 0), "two workers store what one stores"
        killed(root, folder, settings, whole, drawn)
        for count in settings.many:
            many = copies(root / f"many-{count}", sources, count)
            found_one = told(start(many, root / f"out-{count}", "timm:test_resnet/random", 4096, 1, 1))
            print(f"{count:,} images: peak {found_one['peak']:,.0f} MiB resident", flush=True)


def killed(root: Path, folder: Path, settings: argparse.Namespace, whole: dict[str, bytes], drawn: random.Random) -> None:
    """Kill a worker again and again, finish, and compare."""
    store, units, finished, most = root / "store-killed", -(-settings.images // settings.unit), 0, 0
    for _ in range(settings.kills):
        process = start(folder, store, settings.model, settings.unit, 1, 1)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(drawn.uniform(0.5, 6.0))
        process.kill()
        process.wait()
        process.stdout.close()
        here = len(content(store)[0])
        leftovers = len(list((store / "cold").glob("*/.unfinished-*")))
        most = max(most, leftovers)
        finished = here
    last = told(start(folder, store, settings.model, settings.unit, 1, 1))
    found, twice = content(store)
    assert found == whole, "the store differs from one that was not killed"
    print(
        f"{settings.kills} x kill -9: store equal bit by bit ({len(found):,} images of {units} units), {twice} images stored "
        f"twice, at most {most} unit unfinished after a kill; {finished:,} images survived the last kill and "
        f"{last['images']:,.0f} were left to the last run"
    )


def copies(folder: Path, sources: tuple[Path, ...], count: int) -> Path:
    """Write so many different JPEG files: the same pictures with a number behind their end, which decoders do not read."""
    folder.mkdir()
    contents = [source.read_bytes() for source in sources]
    for number in range(count):
        (folder / f"{number:07}.jpg").write_bytes(contents[number % len(contents)] + number.to_bytes(4, "big"))
    return folder


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
