"""Exported files beside coldframe: the largest difference of a probability, and onnxruntime's latency beside PyTorch's.

    python bench/export.py [--models lite0 --models pocket] [--methods knn,gda] [--to onnx] [--input uint8] [--turns 0]
                           [--keep FILE] [--most N]

Every method that a model can carry is fitted on ten images per class of the bundled mini:caltech7 (one epoch where there are
epochs), written by ``coldframe.delivery.export`` and compared on 16 bundled photographs; the bar is 1e-5. Models named
/random, and open_clip's without a tag, have random weights. ``--turns N`` times one image on one thread, N times in turns, the
file in onnxruntime and the fitted method in eager PyTorch, by the processor's time, which other work hardly changes, and keeps
medians. ``--keep FILE`` writes each row as a line of JSON; another call with the same file leaves out the rows that stand
there, so that the table can be taken in pieces of ``--most N`` rows. All rows are printed at the end, methods by models. The
exit status is 1 where a file does not agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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

Row = dict[str, Any]
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
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--most", type=int)
    asked = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    models, methods = asked.models or list(MODELS), asked.methods.split(",")
    rows: dict[tuple[str, str], Row] = {}
    if asked.keep is not None and asked.keep.exists():
        lines = [json.loads(line) for line in asked.keep.read_text().splitlines()]
        rows = {(line["model"], line["method"]): line for line in lines}
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            missing = [name for name in methods if (model, name) not in rows][: asked.most]
            asked.most = None if asked.most is None else asked.most - len(missing)
            for row in tried(model, missing, asked, Path(folder)) if missing else ():
                rows[model, row["method"]] = row
                print(json.dumps(row), file=sys.stderr, flush=True)
                if asked.keep is not None:
                    with asked.keep.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    print(f"{machine('cpu')}\n")
    print("| method | " + " | ".join(models) + " |\n" + "| --- " * (len(models) + 1) + "|")
    for name in methods:
        print(f"| {name} | " + " | ".join(cell(rows.get((model, name))) for model in models) + " |")
    chosen = [rows[model, name] for model in models for name in methods if (model, name) in rows]
    agreed, failed = [row["difference"] for row in chosen if "difference" in row], [row for row in chosen if "failed" in row]
    worst = max(agreed, default=0)
    print(f"\n{len(agreed)} files agree, largest difference {worst:.1e} (bar {TOLERANCE:g}); {len(failed)} do not")
    for row in failed:
        print(f"{row['model']}, {row['method']}: {row['failed']}")
    return 1 if failed else 0


def cell(row: Row | None) -> str:
    """Return a row as one cell: the difference, and onnxruntime's ms beside PyTorch's where they were taken."""
    if row is None:
        return "not run"
    if "difference" not in row:
        return "FAILED" if "failed" in row else "-"
    times = f", {row['onnxruntime_ms']:.1f} / {row['pytorch_ms']:.1f} ms" if "pytorch_ms" in row else ""
    return f"{row['difference']:.1e}{times}"


def tried(model: str, methods: list[str], asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Fit methods on a model, export each, and yield what came of it."""
    data, backbone, cold = load_dataset("mini:caltech7", shots=10), load_backbone(model), ColdPass(Store(folder / "store"))
    images, path = photographs(backbone.preprocess), folder / "file"
    for name in methods:
        kind, row = method_class(name), {"model": model, "method": name}
        try:
            method = kind(backbone, **({"epochs": 1} if "epochs" in kind.settings() else {}))
        except (InputError, ModelError) as error:
            yield {**row, "cannot": str(error)}
            continue
        method.fit(data.train, val=data.val, cold=cold)
        try:
            done = export(method, path, images, to=asked.to, takes=asked.input)
        except ColdframeError as error:
            yield {**row, "failed": str(error)}
            continue
        found = {**row, "difference": done.difference, "bytes": done.bytes}
        yield found | (timed(method, path, images[:1], asked.turns, asked.input) if asked.turns else {})


@torch.no_grad()
def timed(method: Method, path: Path, image: torch.Tensor, turns: int, takes: str) -> Row:
    """Return both medians in ms."""
    session, pixels = onnx_session(path), given(image, takes).numpy()  # type: ignore[arg-type]
    calls: list[Callable[[], object]] = [
        lambda: session.run(None, {"pixels": pixels}), lambda: method(method.backbone.normalise(image)).softmax(-1),
    ]  # fmt: skip
    spent: list[list[float]] = [[], []]
    for turn in range(turns + 3):
        for which, call in enumerate(calls):
            start = time.process_time()
            call()
            if turn >= 3:
                spent[which].append(time.process_time() - start)
    served, eager = (1000 * statistics.median(one) for one in spent)
    return {"onnxruntime_ms": served, "pytorch_ms": eager}


if __name__ == "__main__":
    sys.exit(main())
