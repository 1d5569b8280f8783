"""The adversarial side of networks with real ImageNet weights: robust accuracy, what survives, and who fools whom.

    COLDFRAME_DATA=DATA python bench/who_fools.py --out OUT [--models lite0 lite1 MOBILENET] [--images 100] [--steps 10]

Takes every n-th photograph of ``imagenet-sample``, one of each class, with its label. Writes ``who-fools-whom.md`` and
``who-fools-whom.png``: top-1 under untargeted PGD by radius (``attack_curve``, 20 steps), and for images made with ``--steps``
steps at 4/255 the share that still fools after an everyday change, and the share that fools another network. MOBILENET is
``timm:mobilenetv2_100`` with its file and preprocessing, found in DATA where no models are named.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from coldframe.attacks.checks import LEVELS
from coldframe.data.base import Split
from coldframe.data.folder import Files
from coldframe.evaluation.classifiers import opened
from coldframe.files import data_root, write_bytes, write_text
from coldframe.measures import machine
from coldframe.measures.adversarial import attack_curve
from coldframe.measures.significance import wilson
from coldframe.report.figures.heat_map import Panel, heat_map
from coldframe.report.figures.style import as_png
from coldframe.verbs.attack import usual
from coldframe.verbs.transfer import transfer

RADII = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
"""Of 255."""
EPS = 4
MOBILENET = "timm:mobilenetv2_100@{root}/weights/mobilenetv2_100/model.safetensors?pad_type=same&mean=0.5&std=0.5&resize=256"


def percent(right: float, n: int) -> str:
    """Return a share with its interval."""
    share = wilson(right, n)
    return f"{100 * share.mean:.0f} ({100 * share.low:.0f} to {100 * share.high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    folder = data_root() / "imagenet-sample"
    numbers = {name: number for name, (number, _) in json.loads((folder / "classes.json").read_text()).items()}
    files = sorted(folder.glob("*.jpg"))
    files = files[:: max(1, len(files) // asked.images)][: asked.images]
    labels = np.array([numbers[path.name.partition("_")[0]] for path in files])
    models = asked.models or ["lite0", "lite1", MOBILENET.format(root=data_root())]
    start, curves = time.process_time(), []
    for model in models:
        answers, classes, backbone = opened(model)
        split = Split("test", Files(tuple(files)), labels, tuple(classes))
        curves.append(attack_curve(answers, split, backbone.preprocess, [radius / LEVELS for radius in RADII]))
    done = transfer(models, files, usual(EPS / LEVELS, steps=asked.steps))
    spent, n = time.process_time() - start, len(files)
    where = f"{machine('cpu')['cpu']}, one thread, {spent:.0f} s of processor time"
    lines = [
        f"{n} photographs of imagenet-sample, one of a class; {where}.", "",
        "## Top-1 under attack", "",
        "| network | " + " | ".join(f"{radius:g}/255" if radius else "clean" for radius in RADII) + " |",
        "| --- |" + " ---: |" * len(RADII),
    ]  # fmt: skip
    for name, curve in zip(done.names, curves, strict=True):
        lines.append(f"| {name} | " + " | ".join(percent(top1 * n, n) for top1 in curve.top1) + " |")
    changes = [one.change for one in next(iter(done.attacked.values())).survived]
    lines += ["", "## What survives", "", "| made for | fooled | " + " | ".join(changes) + " |"]
    lines += ["| --- |" + " ---: |" * (len(changes) + 1)]
    for name, one in done.attacked.items():
        fooled = one.found.fooled
        kept = [percent(int((s.survived & fooled).sum()), int(fooled.sum())) for s in one.survived]
        lines.append(f"| {name} | {int(fooled.sum())} of {n} | " + " | ".join(kept) + " |")
    lines += ["", "## Who fools whom", "", "| made for | " + " | ".join(f"shown to {name}" for name in done.names) + " |"]
    lines += ["| --- |" + " ---: |" * len(done.names)]
    for name in done.names:
        mine = [cell for cell in done.cells if cell.made_for == name]
        cells = [f"{percent(c.fooled, c.asked)} of {c.asked}" if c.asked else "" for c in mine]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    write_text(asked.out / "who-fools-whom.md", "\n".join(lines) + "\n")
    shares = {(cell.made_for, cell.shown_to): cell.share.mean if cell.share else None for cell in done.cells}
    title = f"{n} photographs, eps {EPS}/255"
    drawn = heat_map([Panel("", title, shares)], "made for", "shown to", measured="fooled, %")
    write_bytes(asked.out / "who-fools-whom.png", as_png(drawn, 120))


if __name__ == "__main__":
    main()
