"""Can answers on real images be trusted? Compares heads on frozen features and writes what the trust sections say.

    COLDFRAME_DATA=DATA python bench/trust.py [--out FILE] [--seeds 3] [--runs runs/trust] [--data ...] [--models ...]

Data: EuroSAT, a sample of Oxford Pets and Caltech-101, as ``DATA/SOURCES.md`` describes them; models: lite0 and MobileNetV2.
Images of none of the classes are 100 of a bundled sample. A comparison that was finished in ``--runs`` is read, not made again.
``--folds 5`` adds a comparison in which every image is a test image once, and the calibration error over all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe import compare, load_dataset
from coldframe.data.crossing import crossed
from coldframe.files import data_root, read_safetensors, write_text
from coldframe.measures import ece
from coldframe.measures.calibration import debiased_square
from coldframe.report import Table, save_report
from coldframe.results.columns import trust_tables
from coldframe.results.verdict import verdict
from coldframe.types import Row

METHODS = ["linear-probe", "knn", "ridge", "gda"]
Values = NDArray[np.float64]
DATA = ("eurosat", "pets-sample", "caltech101")


def models(root: Path) -> dict[str, str]:
    """Return the ids of the two models by their short names."""
    weights = root / "weights" / "mobilenetv2_100" / "model.safetensors"
    return {
        "lite0": "lite0",
        "mobilenetv2_100": f"timm:mobilenetv2_100@{weights}?pad_type=same&mean=0.5&std=0.5&resize=256",
    }


def table_of(root: Path, data: str, model: str, seeds: int, out: Path) -> Table:
    """Return a comparison, made where ``out`` does not hold it."""
    if not (out / "results.json").is_file():
        spec = f"folder:{root / data}"
        done = compare(METHODS, spec, model=model, seeds=seeds, out=out, latency=False, command="python bench/trust.py")
        save_report(done, out)
    return Table.load(out)


def stated(out: Path, row: Row) -> Tensor:
    """Return the probabilities of a row's test images [N, K], each row of sum 1."""
    tensors, _ = read_safetensors(out / row["folder"] / "predictions.safetensors")
    p = tensors["probabilities"].double()
    return p / p.sum(1, keepdim=True)


def floor(out: Path, table: Table) -> float:
    """Return the mean calibration error of a perfect classifier that states the probabilities of the recommended head.

    On few images it is not 0: each answer is drawn right with the probability that is stated, 200 times.
    """
    assert table.best is not None
    return float(np.mean([perfect(stated(out, row), seed) for seed, row in enumerate(table.best.rows)]))


def perfect(p: Tensor, seed: int = 0) -> Values:
    """Return the calibration errors of 200 draws of labels from the stated probabilities."""
    generator = torch.Generator().manual_seed(seed)
    return np.array([ece(p, torch.multinomial(p, 1, generator=generator)[:, 0].numpy()) for _ in range(200)])


def over_folds(root: Path, data: str, model: str, folds: int, out: Path) -> list[str]:
    """Return a table of calibration errors over all images, each of which one fold has held out."""
    spec = f"folder:{root / data}"
    if not (out / "results.json").is_file():
        done = compare(METHODS, spec, model=model, folds=folds, out=out, latency=False, unknown="none")
        save_report(done, out)
    table = Table.load(out)
    y = np.concatenate([fold.test.labels for fold in crossed(load_dataset(spec, whole=True), folds)])
    heads = ("method", "top-1", "ECE", "a perfect one's", "as much by chance", "root of the debiased square")
    said = [f"Over {folds} folds, all {len(y):,} images", "", f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for group in table.groups():
        p = torch.cat([stated(out, row) for row in sorted(group.rows, key=lambda row: int(row["seed"]))])
        error, drawn = ece(p, y), perfect(p)
        top1 = float((p.argmax(1).numpy() == y).mean())
        assert abs(top1 - sum(row["top1"] * row["n"] for row in group.rows) / len(y)) < 1e-9, "other images than were answered"
        cells = [f"{100 * top1:.1f}", *(f"{value:.3f}" for value in (error, drawn.mean())), f"{(drawn >= error).mean():.0%}"]
        square = debiased_square(p, y)
        said.append(f"| {group.label} | {' | '.join(cells)} | {f'{square**0.5:.3f}' if square > 0 else 'below 0'} |")
    return [*said, ""]


def lines(table: Table, head: str, perfect: float) -> list[str]:
    """Return a table's trust sections as Markdown."""
    said = [f"## {head}", "", verdict(table), ""]
    said += [f"A perfect classifier that states the recommended head's probabilities has an ECE of {perfect:.3f} here.", ""]
    for heading, fields, rows in trust_tables(table):
        titles = [field.title for field in fields]
        said += [f"{heading}", "", f"| method | {' | '.join(titles)} |", "|" + " --- |" * (len(titles) + 1)]
        said += [f"| {' | '.join(row)} |" for row in rows]
        said += [""]
    return said


def said_how(asked: argparse.Namespace) -> str:
    """Return the command that makes the page."""
    words = ["python bench/trust.py", "--data", *asked.data]
    words += ["--models", *asked.models] if len(asked.models) == 1 else []
    return " ".join(words + (["--folds", str(asked.folds)] if asked.folds else []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/trust.md"))
    parser.add_argument("--runs", type=Path, default=Path("runs/trust"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--models", nargs="+", default=["lite0", "mobilenetv2_100"])
    parser.add_argument("--folds", type=int, default=0)
    asked = parser.parse_args()
    root = data_root()
    assert root is not None, "set COLDFRAME_DATA"
    said, worst = [], 0.0
    machine = ""
    for data in asked.data:
        for short in asked.models:
            model = models(root)[short]
            table = table_of(root, data, model, asked.seeds, asked.runs / f"{data}-{short}")
            best = table.best
            assert best is not None
            worst = max(worst, best.mean("ece_scaled") or 0.0)
            machine = table.about.device
            test = f"{table.about.train:,} train, {table.about.val:,} val, {table.about.test:,} test images"
            said += lines(table, f"{data}, {short}: {test}", floor(asked.runs / f"{data}-{short}", table))
            if asked.folds:
                said += over_folds(root, data, model, asked.folds, asked.runs / f"{data}-{short}-folds{asked.folds}")
    head = [
        "# Can answers be trusted?", "",
        f"Heads on frozen features, {asked.seeds} seeds, {machine}; `{said_how(asked)}` writes this page. Each number has "
        "its 95% interval over test images in brackets, the mean of the ends over seeds.", "",
        f"The calibration error of the recommended head after temperature scaling is at most {worst:.3f}.", "",
    ]  # fmt: skip
    write_text(asked.out, "\n".join(head + said))


if __name__ == "__main__":
    main()
