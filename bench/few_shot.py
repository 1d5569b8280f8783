"""Few-shot methods on one cold pass: accuracy against shots, what the choice by leave-one-out gains, and its speed.

``python bench/few_shot.py --speed`` times 1,000 settings of the closed forms. ``--study OUT`` fits every method of the group
on four data sets with 1, 2, 4, 8 and 16 images per class, three seeds, and writes a table, a figure and results.json; finished
lines are not run again. No validation images are used: a method chooses by leave-one-out, by folds, or keeps its last step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coldframe import load_backbone, load_dataset, measures
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import ColdframeError
from coldframe.files import append_line, data_root, write_text
from coldframe.measures import loo
from coldframe.methods import method_class
from coldframe.methods.base import holdout
from coldframe.methods.few_shot import ALPHAS, FewShot

METHODS = (
    "zero-shot", "linear-probe", "knn", "ncm", "gda", "ridge", "kernel-ridge", "tip-adapter", "lp++", "clap", "taskres",
    "clip-adapter", "cross-modal", "prolip", "laplace",
)  # fmt: skip
SHOTS = (1, 2, 4, 8, 16)
DATA = {
    "EuroSAT": "folder:{root}/eurosat",
    "Pets (sample)": "folder:{root}/pets-sample",
    "Caltech-101": "folder:{root}/caltech101",
    "CIFAR-100 (JPEG)": "parquet:{root}/cifar100?label=fine_label",
}
MOST_TEST = 2000


def speed(repeats: int) -> None:
    """Print processor seconds of 1,000 settings at 1,600 images, 512 features, 100 classes, one thread."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(1600) % 100
    x = torch.randn(100, 512, generator=generator)[y] + torch.randn(1600, 512, generator=generator)
    x = torch.nn.functional.normalize(x, dim=-1)
    texts = torch.randn(1600, 100, generator=generator)
    targets = torch.nn.functional.one_hot(y, 100).float()
    steps = [10.0 ** (i / 4 - 2) for i in range(20)]

    def chosen(scores: torch.Tensor) -> int:
        right = [int(((texts + alpha * part).argmax(-1) == y).sum()) for part in scores for alpha in (*ALPHAS, *ALPHAS[:20])]
        assert len(right) == 1000
        return max(right)

    for name, made in (
        ("gda", lambda: loo.Gaussians(x, y, 100).left_out(steps)),
        ("ridge", lambda: loo.ridge(x, targets, steps)),
    ):
        taken = []
        for _ in range(repeats):
            start = time.process_time()
            chosen(made())
            taken.append(time.process_time() - start)
        print(f"{name}: 1,000 settings left out in {statistics.median(taken):.2f} s (median of {repeats}, fp32, one thread)")


def capped(split: Split, most: int) -> Split:
    """Return at most so many images, drawn with seed 0."""
    if len(split) <= most:
        return split
    return split.subset(np.sort(np.random.default_rng(0).permutation(len(split))[:most]))


def fitted(name: str, backbone: Backbone, train: Split, cold: ColdPass) -> tuple[Any, float]:
    """Return a method fitted without validation images, and its processor seconds."""
    kind = method_class(name)
    method = kind(backbone, choose="loo") if "choose" in kind.settings() else kind(backbone)
    start = time.process_time()
    method.fit(train, cold=cold)
    return method, time.process_time() - start


def study(out: Path, models: list[str], names: list[str], seeds: int) -> None:
    """Fit everything that is not in ``lines.jsonl`` yet, then write the table and the figure."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "lines.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    keys = {(row["data"], row["model"], row["shots"], row["seed"], row["method"]) for row in done}
    cold = ColdPass()
    for model in models:
        backbone = load_backbone(model)
        for title in names:
            spec = DATA[title].format(root=data_root())
            for shots in SHOTS:
                for seed in range(seeds):
                    data = load_dataset(spec, shots=shots, seed=seed)
                    test = capped(data.test, MOST_TEST)
                    for name in METHODS:
                        key = (title, model, shots, seed, name)
                        if key in keys:
                            continue
                        row: dict[str, Any] = dict(zip(("data", "model", "shots", "seed", "method"), key, strict=True))
                        try:
                            method, seconds = fitted(name, backbone, data.train, cold)
                        except ColdframeError as error:
                            if seed == 0 and shots == 1:
                                print(f"{title}, {model}, {name}: {error}", flush=True)
                            continue
                        row |= {"top1": method.score(test, cold=cold), "n": len(test), "seconds": seconds}
                        if isinstance(method, FewShot):
                            row["left_out_top1"] = method.choices["out_of_sample_top1"]
                            kept, held = holdout(data.train, 0.2, seed)
                            if len(held):
                                other = method_class(name)(backbone, choose="val").fit(kept, held, cold=cold)
                                row["chosen_on_held_out"] = other.score(test, cold=cold)
                        append_line(log, json.dumps(row))
                        done.append(row)
            print(f"{model}, {title}: finished", flush=True)
    write_text(out / "few-shot.md", table(done))
    figure(done, out / "few-shot.png")


def table(rows: list[dict[str, Any]]) -> str:
    """Return the tables in Markdown: mean top-1 over seeds, the choice by leave-one-out, seconds."""
    lines = [f"{measures.machine('cpu')['device']}, one thread; mean top-1 in percent over seeds, no validation images.", ""]
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        mine = [row for row in rows if (row["data"], row["model"]) == (data, model)]
        n, seeds = mine[0]["n"], len({row["seed"] for row in mine})
        lines += [f"## {data}, {model.split('@')[0]} ({n:,} test images, {seeds} seeds)", ""]
        lines += ["| method | " + " | ".join(map(str, SHOTS)) + " | s |"]
        lines += ["| --- |" + " ---: |" * (len(SHOTS) + 1)]
        for name in METHODS:
            cells, taken = [], []
            for shots in SHOTS:
                found = [row for row in mine if row["method"] == name and row["shots"] == shots]
                taken += [row["seconds"] for row in found]
                cells.append(f"{100 * statistics.mean(row['top1'] for row in found):.1f}" if found else "")
            if any(cells):
                lines.append(f"| {name} | " + " | ".join(cells) + f" | {statistics.median(taken):.2f} |")
        lines.append("")
    told = [row for row in rows if row["shots"] > 1 and row.get("left_out_top1") is not None]
    gaps = [row["left_out_top1"] - row["top1"] for row in told]
    gains = [row["top1"] - row["chosen_on_held_out"] for row in rows if "chosen_on_held_out" in row and row["shots"] > 1]
    for title, values in (("Left-out accuracy minus test accuracy", gaps), ("Gain over choosing on a held-out fifth", gains)):
        if len(values) > 1:
            half = 1.96 * statistics.stdev(values) / len(values) ** 0.5
            lines.append(f"{title}: {100 * statistics.mean(values):+.2f} ± {100 * half:.2f} points ({len(values)} fits).")
    return "\n".join(lines) + "\n"


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracy against shots, a panel for each data set and model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = list(dict.fromkeys((row["data"], row["model"]) for row in rows))
    columns = min(3, len(panels))
    count = -(-len(panels) // columns)
    size = (3.6 * columns, 3.0 * count + 0.6)
    drawn, axes = plt.subplots(count, columns, figsize=size, squeeze=False, layout="constrained")
    shades = plt.get_cmap("tab10")
    for axis, (data, model) in zip(axes.flat, panels, strict=False):
        for number, name in enumerate(METHODS):
            points = []
            for shots in SHOTS:
                key = (data, model, name, shots)
                found = [r["top1"] for r in rows if (r["data"], r["model"], r["method"], r["shots"]) == key]
                if found:
                    points.append((shots, 100 * statistics.mean(found)))
            if points:
                axis.plot(
                    *zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, color=shades(number % 10),
                    linestyle="-" if number < 10 else "--", label=name,
                )  # fmt: skip
        axis.set_xscale("log", base=2)
        axis.set_xticks(SHOTS, [str(shots) for shots in SHOTS])
        axis.set_title(f"{data}, {model.split('@')[0]}", fontsize=9)
        axis.set_xlabel("training images per class", fontsize=8)
        axis.grid(alpha=0.25)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    found = {text: line for axis in axes.flat for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    drawn.supylabel("top-1 (%)", fontsize=10)
    drawn.legend(found.values(), found.keys(), loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    drawn.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--models", nargs="+", default=["lite0", "pocket"])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    if asked.speed:
        speed(asked.repeats)
    if asked.study:
        torch.set_num_threads(1)
        study(asked.study, asked.models, asked.data, asked.seeds)
