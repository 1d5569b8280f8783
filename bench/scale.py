"""The cold pass over units: one worker and two, killed at random moments, and its memory for few and many images.

    python bench/scale.py [--images 2000] [--model pocket/random] [--unit 100] [--kills 10] [--many 1000 100000]

1. Images a second of the pass of ``coldframe prepare`` from JPEG files with one worker and with two, one thread each. Start-up
   (imports, the model) is not counted.
2. ``kill -9`` of a worker at random moments (a seed decides): the command is run again until nothing is missing. Then the store
   is compared, image by image and bit by bit, with one that was filled without a kill; and the units that were begun more than
   once are counted: at most one a kill.
3. Peak resident memory of a worker, with a network of no weight and pictures of 16 x 16 pixels, for growing numbers of them: in
   files of their own (``--many``) and as rows of parquet files (``--rows``), for which a million need no million files.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from extract import jpegs
from PIL import Image

CHILD = """
import json, sys
import torch
torch.set_num_threads(1)
from coldframe.cold import ColdPass, Store
from coldframe.backbones import load_backbone
from coldframe.data.base import without_labels
from coldframe.data.folder import Files
from coldframe.cold.units import prepare_units
from pathlib import Path
folder, store, model, unit, i, n = sys.argv[1:]
if list(Path(folder).glob("*.parquet")):
    from coldframe.data.parquet import Rows
    files = Rows(sorted(Path(folder).glob("*.parquet")), "image", kept_bytes=1 << 26)
else:
    files = Files(sorted(Path(folder).iterdir()))
split = without_labels(files, "all", ["any"])
cold = ColdPass(Store(store), workers=1, budget=0)
told = lambda done, total: print("unit", done, flush=True)
backbone = load_backbone(model)
backbone.digest
print("ready", flush=True)
found = prepare_units(cold, backbone, [split], [("features", "plain")], worker=(int(i), int(n)), size=int(unit),
                      progress=told)
told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
peak = int(told["VmHWM"].split()[0]) / 1024  # what getrusage says begins at the memory of the process that started this one
print(json.dumps({"done": found.done, "images": found.images, "seconds": found.seconds, "peak": peak}), flush=True)
"""


TINY = """
import torch
from coldframe.types import Preprocess
def net():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 4, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(128, 16))
    return module, Preprocess(16, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
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
    parser.add_argument("--many", nargs="*", type=int, default=[1000, 100000])
    parser.add_argument("--rows", nargs="*", type=int, default=[1000, 100000, 1000000])
    parser.add_argument("--only-memory", action="store_true", help="leave out 1 and 2")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    drawn = random.Random(settings.seed)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "made").mkdir()
        if not settings.only_memory:
            sources = [path.read_bytes() for path in jpegs(200, root / "made").paths]
            throughput(root, copies(root / "images", sources, settings.images), settings, drawn)
        (root / "tiny.py").write_text(TINY)
        for what, counts, write in (("files", settings.many, alike), ("rows", settings.rows, parquet)):
            for count in counts:
                folder = write(root / f"{what}-{count}", count)
                one = told(start(folder, root / f"stored-{what}-{count}", f"{root / 'tiny.py'}:net", 4096, 1, 1))
                print(f"{count:,} {what}: peak {one['peak']:,.1f} MiB resident, {one['seconds']:.0f} s", flush=True)


def throughput(root: Path, folder: Path, settings: argparse.Namespace, drawn: random.Random) -> None:
    """Time one worker and two, then kill some."""
    for n in (1, 2):
        begun = [start(folder, root / f"store-{n}", settings.model, settings.unit, i, n) for i in range(1, n + 1)]
        found = [told(process) for process in begun]
        images, seconds = sum(one["images"] for one in found), max(one["seconds"] for one in found)
        print(f"{n} worker(s): {images:,.0f} images in {seconds:.1f} s, {images / seconds:.1f} images/s", flush=True)
    whole, _ = content(root / "store-1")
    assert content(root / "store-2") == (whole, 0), "two workers store what one stores"
    killed(root, folder, settings, whole, drawn)


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


def small() -> bytes:
    """Return a JPEG file of 16 x 16 pixels."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def parquet(folder: Path, count: int) -> Path:
    """Write so many small pictures as rows, all different by a number behind their end, which decoders do not read."""
    folder.mkdir()
    content = small()
    for start in range(0, count, 100_000):
        rows = [content + row.to_bytes(4, "big") for row in range(start, min(count, start + 100_000))]
        table = pyarrow.table({"image": pyarrow.array(rows, pyarrow.binary())})
        pyarrow.parquet.write_table(table, folder / f"train-{start:09}.parquet", row_group_size=4096)
    return folder


def alike(folder: Path, count: int) -> Path:
    """Write so many small pictures as files."""
    return copies(folder, [small()], count)


def copies(folder: Path, contents: Sequence[bytes], count: int) -> Path:
    """Write so many different JPEG files: the same pictures with a number behind their end."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:07}.jpg").write_bytes(contents[number % len(contents)] + number.to_bytes(4, "big"))
    return folder


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
