"""What ``coldframe train mlp`` runs, and the result it gives back. Measured figures stand in docs/mlp.md."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from coldframe.data import load_dataset
from coldframe.data.base import OnError
from coldframe.errors import InputError, nearest
from coldframe.foundations.mlp import scores
from coldframe.foundations.mlp.fitting import EngineName, Fit, NumpyEngine, Settings, fit, predict
from coldframe.foundations.mlp.network import MLP
from coldframe.foundations.mlp.pictures import Examples, read_all
from coldframe.machine.room import check_fits
from coldframe.measures import hardware
from coldframe.measures.hardware import machine
from coldframe.report.study import plain_text, write
from coldframe.results.rows import complete, groups, plain
from coldframe.training.schedules import Schedule
from coldframe.types import Row
from coldframe.values import flags
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLIT_SEED = 42
"""Draws the validation images, the same for every seed of a run."""


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        origin: how the data was split.
        classes: K names.
        fits: one trained network a seed.
        confusions: test answers of each seed [K, K].
        rows: one per seed, as in ``results.json``.
        machine: where it ran.
    """

    command: str
    origin: str
    classes: tuple[str, ...]
    fits: list[Fit]
    confusions: list[scores.Counts]
    rows: list[Row]
    machine: dict[str, Any]

    @property
    def best(self) -> int:
        """Place of the seed that is best on validation, of equals the one with the lower loss: its confusion is shown."""
        reached = [(run.val_top1[run.epoch - 1], -run.val_loss[run.epoch - 1]) for run in self.fits]
        return max(range(len(reached)), key=reached.__getitem__)

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        over_seeds = [group.summary() for group in groups(self.rows) if len(group.rows) > 1]
        curves = [{k: v for k, v in vars(run).items() if k != "network"} for run in self.fits]
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": self.machine,
            "rows": [*self.rows, *over_seeds],
            "published": [],
            "origin": self.origin,
            "curves": curves,
            "classes": list(self.classes),
            "confusion": [counts.tolist() for counts in self.confusions],
            "per_class": [plain(per_class(counts)) for counts in self.confusions],
        }

    def table(self) -> list[list[str]]:
        """Return the printed table of the best seed: a head, then a line per class."""
        found = per_class(self.confusions[self.best])
        lines = [["class", "precision", "recall", "F1", "F2"]]
        for k, name in enumerate(self.classes):
            lines.append([name, *(_percent(values[k]) for values in found.values())])
        return lines

    def notes(self) -> list[str]:
        """Return what stands beside the table, a sentence or two each."""
        group, first = groups(self.rows)[0], self.rows[0]
        half = group.half("top1")
        mean = f"{100 * (group.mean('top1') or 0):.1f}%" + ("" if half is None else f" ± {100 * half:.1f}")
        seeds = "1 seed" if len(self.rows) == 1 else f"{len(self.rows)} seeds, mean and 95% interval"
        return [
            f"Test accuracy {mean} ({seeds}, {first['n']:,} images); validation {100 * (group.mean('val_top1') or 0):.1f}%, on "
            "which the epoch is chosen; test is read once.",
            f"{first['trainable_parameters']:,} parameters, {first['engine']}, {first['dtype']}, "
            f"{hardware.threads(self.machine)}: {group.mean('train_seconds') or 0:.1f} s of training a seed. "
            f"Per class: seed {self.rows[self.best]['seed']}.",
            f"{first['data']}: {self.origin}.",
        ]

    def __str__(self) -> str:
        return plain_text(self.table(), self.notes())

    def figures(self) -> dict[str, tuple[str, Figure]]:
        """Return file stem -> (caption, figure)."""
        from coldframe.foundations.mlp.drawing import confusion_matrix, curves

        row = self.rows[self.best]
        what = f"{row['model']} on {row['data']}"
        shown = confusion_matrix(self.confusions[self.best], self.classes, f"Test accuracy {_percent(row['top1'])}%")
        return {
            "curves": (f"Loss and accuracy of {what}; a line is the mean over seeds.", curves(self.fits, what)),
            "confusion": (f"Confusion on test, seed {row['seed']}.", shown),
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
        return write(folder, "A perceptron", self)


def per_class(counts: scores.Counts) -> dict[str, scores.Shares]:
    """Return precision, recall, F1 and F2 of each class [K]."""
    return {
        "precision": scores.precision(counts),
        "recall": scores.recall(counts),
        "f1": scores.f_beta(counts),
        "f2": scores.f_beta(counts, 2.0),
    }


def _percent(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{100 * value:.1f}"


def mlp(
    *,
    data: str = "mini:cifar10",
    engine: EngineName = "numpy",
    hidden: tuple[int, ...] = (128,),
    linear: bool = False,
    batch_norm: bool = False,
    epochs: int = 10,
    batch: int = 128,
    lr: float = 0.1,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    schedule: Schedule = "constant",
    seeds: int = 1,
    out: Path | None = None,
    on_error: OnError = "raise",
    download: bool = False,
) -> Study:
    """Train a perceptron that is written by hand in NumPy, or its PyTorch twin.

    Images become 32 x 32 pixels, normalised with the statistics of CIFAR-10; a tenth of train is kept for validation where the
    data has no validation split.

    Args:
        data: data set, such as parquet:PATH or mini:cifar10.
        engine: who computes; both start from the same weights and see the same batches.
        hidden: width of each hidden layer, such as --hidden 512 --hidden 256.
        linear: no hidden layer, which is logistic regression.
        batch_norm: normalise each hidden layer before its activation.
        epochs: passes over the training images; the best by validation is kept.
        batch: images per step.
        lr: learning rate of SGD.
        momentum: share of the last step that is kept.
        weight_decay: pull of every parameter to 0.
        schedule: course of the learning rate.
        seeds: runs, from seed 0; the table has their mean and 95% interval.
        out: folder for results.json, figures and report.html.
        on_error: what to do with images that do not decode: stop before any work, or skip and count them.
        download: fetch data that is not on this machine.
    """
    if engine not in get_args(EngineName):
        raise InputError(f"unknown engine {engine!r}{nearest(engine, get_args(EngineName))}")
    if seeds < 1:
        raise InputError(f"expected 1 seed or more, found {seeds}; give a positive number")
    widths = () if linear else tuple(hidden)
    settings = Settings(epochs, batch, lr, momentum, weight_decay, schedule)
    dataset = load_dataset(data, val=0.1, seed=SPLIT_SEED, download=download, on_error=on_error)
    splits = read_all(dataset)
    _check_memory(splits["train"].x.shape[1], widths, len(dataset.classes), min(batch, len(splits["train"])))
    fits, confusions, rows = [], [], []
    for seed in range(seeds):
        network = MLP(
            splits["train"].x.shape[1], widths, len(dataset.classes), batch_norm=batch_norm, seed=seed, dtype=np.float32
        )
        run = fit(network, splits["train"], splits["val"], settings, engine=engine, seed=seed)
        counts = _answers(network, splits["test"], settings)
        fits.append(run)
        confusions.append(counts)
        rows.append(_row(data, engine, seed, run, counts, settings))
    command = _command(data, engine, widths, batch_norm, settings, seeds)
    study = Study(command, dataset.origin, dataset.classes, fits, confusions, rows, _machine())
    if out is not None:
        study.save(out)
    return study


def _check_memory(inputs: int, widths: Sequence[int], classes: int, batch: int) -> None:
    """Refuse widths and batches that do not fit: weights and gradients, and a batch's values with theirs, in float32."""

    def needs(some: Sequence[int], images: int) -> int:
        sizes = [inputs, *some, classes]
        return 4 * (2 * sum(a * b for a, b in pairwise(sizes)) + images * (inputs + 2 * sum(sizes[1:])))

    if widths:
        check_fits("a hidden width", max(widths), lambda width: needs([min(width, each) for each in widths], 1))
    check_fits("a batch", batch, lambda images: needs(widths, images), of=f"with hidden widths {list(widths)}")


def _answers(network: MLP, test: Examples, settings: Settings) -> scores.Counts:
    p = predict(NumpyEngine(network, settings), test, np.dtype(np.float32))
    return scores.confusion(test.labels, p.argmax(axis=1), len(test.classes))


def _row(data: str, engine: str, seed: int, run: Fit, counts: scores.Counts, settings: Settings) -> Row:
    network = run.network
    name = "-".join(["mlp", *map(str, network.hidden)]) + ("-bn" if network.batch_norm and network.hidden else "")
    return complete(
        {
            "method": "mlp", "model": name, "data": data, "seed": seed, "split": "test", "n": int(counts.sum()),
            "top1": scores.accuracy(counts), "mean_per_class": float(np.nanmean(scores.recall(counts))),
            "train_seconds": round(run.seconds, 3), "trainable_parameters": network.count(),
            "stored_bytes": sum(value.nbytes for value in network.state().values()), "val_top1": max(run.val_top1),
            "best_epoch": run.epoch, "chosen_on": "val", "engine": engine, "dtype": "float32", **asdict(settings),
        }
    )  # fmt: skip


def _machine() -> dict[str, Any]:
    """Return the machine's fingerprint with NumPy's threads: this room does most of its work there."""
    asked = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
    return machine() | {"threads": int(asked) if asked.isdigit() else os.cpu_count(), "numpy": np.__version__}


def _command(data: str, engine: str, hidden: tuple[int, ...], batch_norm: bool, settings: Settings, seeds: int) -> str:
    widths = "".join(f" --hidden {width}" for width in hidden) or " --linear"
    set_ = flags(asdict(settings) | {"seeds": seeds})
    return f"coldframe train mlp --data {shlex.quote(data)} --engine {engine}{widths}{' --batch-norm' * batch_norm}{set_}"
