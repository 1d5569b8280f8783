"""Few-shot methods on one cold pass: accuracy against shots, what the choice by leave-one-out gains, and its speed.

``python bench/few_shot.py --speed`` times 1,000 settings of the closed forms, ``--stacked`` 52 settings of the trained heads
and 8 of prompts side by side. ``--cold`` does the cold pass of the study and ``--study OUT`` the study: every method of the
group on four data sets with 1, 2, 4, 8 and 16 images a class, three seeds, as a table and a figure. Both end after
``--seconds`` and go on when they are called again; finished lines are not run again. No validation images are used: a method
chooses by leave-one-out, by folds, or keeps its last step.
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
from coldframe.data.base import Split, without_labels
from coldframe.errors import ColdframeError
from coldframe.files import append_line, data_root, write_text
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import loo
from coldframe.measures.gaussians import Gaussians
from coldframe.methods import method_class
from coldframe.methods.base import holdout
from coldframe.methods.few_shot import ALPHAS, FewShot
from coldframe.methods.folds import has
from coldframe.methods.stacked import fit_stacked
from coldframe.methods.transclip import TransClip
from coldframe.types import FEATURES, PROJECTION

METHODS = (
    "zero-shot", "linear-probe", "knn", "ncm", "gda", "ridge", "kernel-ridge", "tip-adapter", "tip-adapter-f", "lp++", "clap",
    "taskres", "clip-adapter", "cross-modal", "prolip", "laplace", "transclip",
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
        ("gda", lambda: Gaussians(x, y, 100).left_out(steps)),
        ("ridge", lambda: loo.ridge(x, targets, steps)),
    ):
        taken = []
        for _ in range(repeats):
            start = time.process_time()
            chosen(made())
            taken.append(time.process_time() - start)
        print(f"{name}: 1,000 settings left out in {statistics.median(taken):.2f} s (median of {repeats}, fp32, one thread)")


def stacked(repeats: int) -> None:
    """Print processor seconds of 52 settings trained stacked against one alone, one thread: heads, prompts on stored tokens."""
    torch.set_num_threads(1)
    cases: list[tuple[str, str, int, dict[str, Any]]] = [
        (name, model, shots, {"epochs": 50})
        for model, shots in (("pocket", 1), ("pocket", 16))
        for name in ("clap", "taskres", "clip-adapter", "cross-modal")
    ]
    cases += [
        ("text-prompt", "pocket", 4, {"epochs": 5, "tokens": 4}),
        ("deep-prompt", "pocket", 4, {"epochs": 5, "layer": 11, "depth": 1, "tokens": 4}),
    ]
    for name, model, shots, settings in cases:
        backbone, data, cold = load_backbone(model), load_dataset("mini:cifar10", shots=shots), ColdPass()
        kind = method_class(name)
        number = 52 if "tokens" not in settings else 8
        rates = [10 ** (-4 + 3 * i / (number // 2 - 1)) for i in range(number // 2)]
        decays = (0.0, 1e-2)

        def runs(kind: Any = kind, settings: dict[str, Any] = settings, backbone: Backbone = backbone) -> list[Any]:
            return [kind(backbone, lr=rate, weight_decay=decay, **settings) for rate in rates for decay in decays]  # noqa: B023

        one, many, apart = [], [], 0.0
        runs()[0].fit(data.train, data.val, cold=cold)
        for repeat in range(repeats):
            start = time.process_time()
            alone = runs()[repeat].fit(data.train, data.val, cold=cold)
            one.append(time.process_time() - start)
            together = runs()
            start = time.process_time()
            fit_stacked(together, data.train, data.val, cold=cold)
            many.append(time.process_time() - start)
            expected, found = alone.logits(data.test, cold=cold), together[repeat].logits(data.test, cold=cold)
            apart = max(apart, float((found - expected).abs().max() / expected.abs().max()))
        shape = f"{len(data.train)} images, {backbone.feature_dim} features, {len(data.classes)} classes"
        print(
            f"{name} ({model}, {shape}): one {statistics.median(one):.2f} s, {number} stacked {statistics.median(many):.2f} s, "
            f"{statistics.median(many) / statistics.median(one):.1f} times; logits agree to {apart:.0e}", flush=True,
        )  # fmt: skip


def short(model: str) -> str:
    """Return a model's name without its file."""
    return model.split("@")[0].split(":")[-1]


def called(name: str) -> str:
    """Return a method's name, with a word where it saw test images without their labels."""
    return f"{name} (transductive)" if method_class(name).transductive else name


def capped(split: Split, most: int) -> Split:
    """Return at most so many images, drawn with seed 0."""
    if len(split) <= most:
        return split
    return split.subset(np.sort(np.random.default_rng(0).permutation(len(split))[:most]))


def fitted(name: str, backbone: Backbone, train: Split, test: Split, cold: ColdPass) -> tuple[Any, float]:
    """Return a method fitted without validation images, and its processor seconds; a transductive one sees test images."""
    kind = method_class(name)
    method = kind(backbone, choose="loo") if has(kind, "loo") else kind(backbone)
    if isinstance(method, TransClip):
        method.unlabelled = without_labels(test.images, "unlabelled", test.classes)
    start = time.process_time()
    method.fit(train, cold=cold)
    return method, time.process_time() - start


def cold_pass(models: list[str], names: list[str], seeds: int, until: float) -> None:
    """Store what the methods read of every image of the study, 250 images at a time."""
    cold = ColdPass()
    for model in models:
        backbone = load_backbone(model)
        wants = [(cut, "plain") for cut in (FEATURES, PROJECTION) if cut in backbone.cuts]  # prolip reads the second
        for title in names:
            loaded = [load_dataset(DATA[title].format(root=data_root()), shots=max(SHOTS), seed=seed) for seed in range(seeds)]
            parts, ran = [*(data.train for data in loaded), capped(loaded[0].test, MOST_TEST)], 0
            whole, start = True, time.process_time()
            for part in parts:
                for at in range(0, len(part), 250):
                    if whole := time.monotonic() < until:
                        rows = np.arange(at, min(at + 250, len(part)))
                        ran += cold.prepare(backbone, [part.subset(rows)], wants).images
            spent = time.process_time() - start
            print(f"{model}, {title}: {ran} images in {spent:.0f} s, {'finished' if whole else 'unfinished'}", flush=True)


def study(out: Path, models: list[str], names: list[str], seeds: int, until: float) -> None:
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
                        if key in keys or time.monotonic() > until:
                            continue
                        row: dict[str, Any] = dict(zip(("data", "model", "shots", "seed", "method"), key, strict=True))
                        try:
                            method, seconds = fitted(name, backbone, data.train, test, cold)
                        except ColdframeError as error:
                            row["refused"] = str(error)
                            append_line(log, json.dumps(row))
                            done.append(row)
                            continue
                        row |= {"top1": method.score(test, cold=cold), "n": len(test), "seconds": seconds}
                        if isinstance(method, FewShot):
                            row["left_out_top1"] = method.choices["out_of_sample_top1"]
                            kept, held = holdout(data.train, 0.2, seed)
                            if len(held):
                                other = method_class(name)(backbone, choose="val").fit(kept, held, cold=cold)
                                row["held_out_top1"] = other.choices["out_of_sample_top1"]
                                row["chosen_on_held_out"] = other.score(test, cold=cold)
                                row["then_refitted"] = other.refitted(kept, held, cold=cold).score(test, cold=cold)
                        append_line(log, json.dumps(row))
                        done.append(row)
            print(f"{model}, {title}: finished", flush=True)
    finished = [row for row in done if "refused" not in row]
    write_text(out / "few-shot.md", table(finished))
    figure(finished, out / "few-shot.png")


def table(rows: list[dict[str, Any]]) -> str:
    """Return the tables in Markdown: mean top-1 over seeds, the choice by leave-one-out, seconds."""
    lines = [f"{measures.machine('cpu')['device']}, one thread; mean top-1 in percent over seeds, no validation images.", ""]
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        mine = [row for row in rows if (row["data"], row["model"]) == (data, model)]
        n, seeds = mine[0]["n"], len({row["seed"] for row in mine})
        lines += [f"## {data}, {short(model)} ({n:,} test images, {seeds} seeds)", ""]
        lines += ["| method | " + " | ".join(map(str, SHOTS)) + " | s |"]
        lines += ["| --- |" + " ---: |" * (len(SHOTS) + 1)]
        for name in METHODS:
            cells, taken = [], []
            for shots in SHOTS:
                found = [row for row in mine if row["method"] == name and row["shots"] == shots]
                taken += [row["seconds"] for row in found]
                cells.append(f"{100 * statistics.mean(row['top1'] for row in found):.1f}" if found else "")
            if any(cells):
                lines.append(f"| {called(name)} | " + " | ".join(cells) + f" | {statistics.median(taken):.2f} |")
        lines.append("")
    lines += [*choices(rows), "", f"All fits together: {sum(row['seconds'] for row in rows):.0f} s of processor time."]
    return "\n".join(lines) + "\n"


def choices(rows: list[dict[str, Any]]) -> list[str]:
    """Return what leave-one-out says against the test, and what choosing by it gains, each with an interval over groups.

    A group is one model on one set with one seed: its fits share images, so that they count as one.
    """

    def said(title: str, found: list[tuple[tuple[str, str, int], float]]) -> str:
        groups: dict[tuple[str, str, int], list[float]] = {}
        for key, value in found:
            groups.setdefault(key, []).append(value)
        means = [statistics.mean(values) for values in groups.values()]
        if len(means) < 2:
            return f"{title}: too few fits."
        half = 1.96 * statistics.stdev(means) / len(means) ** 0.5
        count = f"{len(found)} fits in {len(means)} groups"
        return f"{title}: {100 * statistics.mean(means):+.2f} ± {100 * half:.2f} points ({count})."

    def group(row: dict[str, Any]) -> tuple[str, str, int]:
        return row["data"], row["model"], row["seed"]

    told = [row for row in rows if row["shots"] > 1 and row.get("left_out_top1") is not None]
    lines = []
    for title in dict.fromkeys(row["data"] for row in told):
        mine = [(group(row), row["left_out_top1"] - row["top1"]) for row in told if row["data"] == title]
        lines.append(said(f"Left-out minus test accuracy, {title}", mine))
    every = [(group(row), row["left_out_top1"] - row["top1"]) for row in told]
    lines.append(said("Left-out minus test accuracy, all sets", every))
    late = [(group(row), row["left_out_top1"] - row["top1"]) for row in told if row["shots"] >= 8]
    lines.append(said("The same with 8 and 16 images a class", late))
    held = [row for row in told if row.get("then_refitted") is not None]
    for title, name in (("learned from the rest", "chosen_on_held_out"), ("then learned from all", "then_refitted")):
        gains = [(group(row), row["top1"] - row[name]) for row in held]
        lines.append(said(f"Settings by leave-one-out minus settings by a held-out fifth, {title}", gains))
    picks: dict[str, list[tuple[tuple[str, str, int], float]]] = {"chosen_on_held_out": [], "then_refitted": []}
    for key in dict.fromkeys((*group(row), row["shots"]) for row in held):
        mine = [row for row in held if (*group(row), row["shots"]) == key]
        by_loo = max(mine, key=lambda row: row["left_out_top1"])
        by_val = max(mine, key=lambda row: row["held_out_top1"])
        for name, found in picks.items():
            found.append((key[:3], by_loo["top1"] - by_val[name]))
    for title, name in (("learned from the rest", "chosen_on_held_out"), ("then learned from all", "then_refitted")):
        lines.append(said(f"Method and settings by leave-one-out minus both by a held-out fifth, {title}", picks[name]))
    return [line for text in lines for line in (text, "")][:-1]


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracy against shots, a panel for each data set and model."""
    from coldframe.report.figures.style import MARKERS, PALETTE, as_png, new_figure, style

    panels = list(dict.fromkeys((row["data"], row["model"]) for row in rows))
    columns = min(3, len(panels))
    count = -(-len(panels) // columns)
    with style():
        drawn = new_figure(3.6 * columns, 3.0 * count + 0.6)
        axes = drawn.subplots(count, columns, squeeze=False)
        for axis, (data, model) in zip(axes.flat, panels, strict=False):
            for number, name in enumerate(METHODS):
                points = []
                for shots in SHOTS:
                    key = (data, model, name, shots)
                    found = [r["top1"] for r in rows if (r["data"], r["model"], r["method"], r["shots"]) == key]
                    if found:
                        points.append((shots, 100 * statistics.mean(found)))
                if points:
                    look = {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
                    dash = "-" if number < len(PALETTE) else "--"
                    axis.plot(*zip(*points, strict=True), linewidth=1.4, linestyle=dash, label=called(name), **look)
            axis.set_xscale("log", base=2)
            axis.set_xticks(SHOTS, [str(shots) for shots in SHOTS])
            axis.set_title(f"{data}, {short(model)}", fontsize=10)
            axis.set_xlabel("training images per class", fontsize=9)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        found = {text: line for axis in axes.flat for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
        drawn.supylabel("top-1 (%), mean over seeds", fontsize=10)
        drawn.legend(found.values(), found.keys(), loc="outside lower center", ncols=7, fontsize=9)
    path.write_bytes(as_png(drawn, 84))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--stacked", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--study", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--models", nargs="+", default=["lite0", "pocket"])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    if asked.speed:
        speed(asked.repeats)
    if asked.stacked:
        stacked(min(asked.repeats, 3))
    keep_freed_memory()  # as the command line does
    end = time.monotonic() + asked.seconds
    if asked.cold:
        cold_pass(asked.models, asked.data, asked.seeds, end)
    if asked.study:
        torch.set_num_threads(1)
        study(asked.study, asked.models, asked.data, asked.seeds, end)
