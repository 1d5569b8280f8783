"""What ``coldframe train cnn`` runs, and the result it gives back. Measured figures stand in docs/results/convnet.md."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from coldframe.data import load_dataset
from coldframe.data.base import OnError
from coldframe.errors import InputError
from coldframe.foundations.convnet.fitting import BETTER, COURSE, Fit, Precision, Settings, describe, fit, logits
from coldframe.foundations.convnet.images import Pictures
from coldframe.foundations.convnet.networks import NetworkName
from coldframe.foundations.mlp import scores
from coldframe.foundations.mlp.pictures import Examples, read
from coldframe.measures import hardware
from coldframe.measures.hardware import machine
from coldframe.report.study import plain_text, write
from coldframe.results.rows import complete, groups
from coldframe.training import Optimiser, Schedule
from coldframe.types import Row
from coldframe.values import flags
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_SEEN = 40_000
"""Where the data is small, the epochs grow until about as many pictures have been seen."""
NAMES = {"plain": "CNN", "batch-norm": "CNN + batch normalisation", "better": "better CNN"}


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        data: the spec.
        origin: how the data was split.
        fits: network -> one trained network a seed.
        settings: network -> how it was trained.
        rows: one per network and seed, as in ``results.json``.
        machine: where it ran.
    """

    command: str
    data: str
    origin: str
    fits: dict[str, list[Fit]]
    settings: dict[str, Settings]
    rows: list[Row]
    machine: dict[str, Any]

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        over_seeds = [group.summary() for group in groups(self.rows) if len(group.rows) > 1]
        curves = [
            {"network": name, "seed": run.seed, "train_loss": run.train_loss, "val_top1": run.val_top1}
            for name, runs in self.fits.items()
            for run in runs
        ]
        return {
            "coldframe": __version__, "command": self.command, "machine": self.machine,
            "rows": [*self.rows, *over_seeds], "published": [], "origin": self.origin, "curves": curves,
            "settings": {name: describe(value) for name, value in self.settings.items()},
        }  # fmt: skip

    def table(self) -> list[list[str]]:
        """Return the printed table: a head, then a line per network."""
        lines = [["network", "test accuracy", "last loss", "parameters", "epochs", "training", "images/s"]]
        for group in groups(self.rows):
            first, half = group.rows[0], group.half("top1")
            spread = "" if half is None else f" ± {100 * half:.1f}"
            seconds, epochs = group.mean("train_seconds") or 0.0, first["settings"]["epochs"]
            loss = float(np.mean([row["train_loss"] for row in group.rows]))
            lines.append(
                [
                    NAMES[first["model"]], f"{100 * (group.mean('top1') or 0):.1f}%{spread}", f"{loss:.3f}",
                    f"{first['trainable_parameters']:,}", str(epochs), _clock(seconds),
                    f"{epochs * first['train_n'] / seconds:,.0f}" if seconds else "-",
                ]
            )  # fmt: skip
        return lines

    def notes(self) -> list[str]:
        """Return what stands beside the table, a sentence or two each."""
        first = self.rows[0]
        count = len(next(iter(self.fits.values())))
        seeds = "one seed" if count == 1 else f"{count} seeds, mean and 95% interval"
        held = first["val_n"]
        chosen = f"{held:,} more choose the epoch" if held else "the last weights are kept"
        lines = [
            f"{self.data}, {seeds}: {first['train_n']:,} pictures are learned from, {chosen}; {first['n']:,} are read once, "
            f"at the end. {self.machine['device']}, {hardware.threads(self.machine)}, {first['precision']}.",
        ]
        if self.settings.keys() - {"better"}:
            lines.append("The exercise's network starts from Kaiming's normal distribution; no padding: maps of 26, 13, 11, 9.")
        if "better" in self.settings:
            better = self.settings["better"]
            shown = "pictures shifted and mirrored every other epoch" if better.flip and better.shift else "its pictures"
            lines.append(
                f"The better network: whitening filters, then {len(better.widths)} groups of two convolutions; it learns from "
                f"{shown}, with labels smoothed by {better.label_smoothing:g}, and answers with the mean over "
                f"{better.test_views} view{'s' * (better.test_views > 1)} of a picture."
            )
        return [*lines, f"Data: {self.origin}."]

    def __str__(self) -> str:
        return plain_text(self.table(), self.notes())

    def figures(self) -> dict[str, tuple[str, Figure]]:
        """Return file stem -> (caption, figure)."""
        from coldframe.foundations.convnet.drawing import curves, filters_sheet

        named = {NAMES[name]: runs for name, runs in self.fits.items()}
        caption = "Training loss; a line is the mean over seeds."
        if any(settings.label_smoothing for settings in self.settings.values()) and len(named) > 1:
            caption += " Where labels are smoothed, the loss cannot fall to 0; compare it within a network only."
        found = {"curves": (caption, curves(named, "Loss while training"))}
        for name, runs in self.fits.items():
            if name != "better":
                caption = f"{NAMES[name]}: the {len(runs[0].before)} filters of the first layer, seed {runs[0].seed}."
                found[f"filters-{name}"] = (caption, filters_sheet(runs[0], f"First-layer filters of the {NAMES[name]}"))
        return found

    def save(self, folder: str | Path) -> Path:
        """Write ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
        return write(folder, "Small convolutional networks", self)


def cnn(
    *,
    data: str = "mini:cifar10",
    network: tuple[NetworkName, ...] = ("plain", "batch-norm", "better"),
    epochs: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    optimiser: Optimiser | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: Schedule | None = None,
    shift: int | None = None,
    flip: bool | None = None,
    label_smoothing: float | None = None,
    test_views: int | None = None,
    width: tuple[int, ...] = BETTER.widths,
    hold_out: float = 0.0,
    seeds: int = 1,
    device: str = "cpu",
    precision: Precision = "fp32",
    out: Path | None = None,
    on_error: OnError = "raise",
    download: bool = False,
) -> Study:
    """Train small convolutional networks: the exercise's, the same with batch normalisation, and a better one.

    Pictures become 32 x 32 pixels and stay in memory as bytes. All training pictures are learned from. Settings that are not
    given are each network's own; on little data the epochs grow until 40,000 pictures have been seen. A run that was killed
    goes on from its last state in ``out``.

    Args:
        data: data set, such as parquet:PATH or mini:cifar10.
        network: which, such as --network plain --network batch-norm; all three by default.
        epochs: passes over the training pictures.
        batch: pictures per step.
        lr: peak learning rate.
        optimiser: sgd, nesterov, adam, adamw, nadam, radam or muon.
        momentum: of sgd, nesterov and muon.
        weight_decay: of filters and the last layer.
        schedule: course of the learning rate.
        shift: largest shift of a training picture, in pixels.
        flip: mirror each training picture every other epoch.
        label_smoothing: share of each label that is spread over all classes.
        test_views: views of a test picture that are averaged: 1, 2 or 6.
        width: channels of each group of the better network, such as --width 64 --width 128 --width 256.
        hold_out: share of the training pictures on which the epoch is chosen instead, such as 0.1.
        seeds: runs of each network, from seed 0; the table has their mean and 95% interval.
        device: cpu or cuda.
        precision: fp32, or bf16 products.
        out: folder for checkpoints, results.json, figures and report.html.
        on_error: what to do with images that do not decode: stop before any work, or skip and count them.
        download: fetch data that is not on this machine.
    """
    if seeds < 1:
        raise InputError(f"expected 1 seed or more, found {seeds}; give a positive number")
    if not 0 <= hold_out < 1:
        raise InputError(f"expected a share to hold out of 0 or more and below 1, found {hold_out}")
    if device.partition(":")[0] == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a GPU for --device cuda, found none; leave the option out")
    asked = {
        "epochs": epochs, "batch": batch, "lr": lr, "optimiser": optimiser, "momentum": momentum,
        "weight_decay": weight_decay, "schedule": schedule, "shift": shift, "flip": flip,
        "label_smoothing": label_smoothing, "test_views": test_views,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    presets = {name: dataclasses.replace(BETTER if name == "better" else COURSE, network=name) for name in network}
    presets = {
        name: dataclasses.replace(preset, widths=tuple(width) if name == "better" else (), **given)
        for name, preset in presets.items()
    }
    rest: dict[str, Any] = {"val": hold_out} if hold_out else {}
    dataset = load_dataset(data, download=download, on_error=on_error, **rest)
    train, val, test = (read(split) for split in (dataset.train, dataset.val, dataset.test))
    if not hold_out:
        train = Examples(np.concatenate([train.x, val.x]), np.concatenate([train.labels, val.labels]), train.classes)
    held = Pictures.of(val).to(device) if hold_out else None
    unseen = Pictures.of(test).to(device)
    fits: dict[str, list[Fit]] = {}
    settings: dict[str, Settings] = {}
    rows: list[Row] = []
    for name, preset in presets.items():
        chosen = preset if epochs is not None else _long_enough(preset, len(train))
        pictures = Pictures.of(train, chosen.shift).to(device)
        fits[name], settings[name] = [], chosen
        for seed in range(seeds):
            run = None if out is None else out / f"{name}-{seed}"
            say = _say(f"{NAMES[name]}, seed {seed}")
            found = fit(pictures, chosen, seed=seed, val=held, run=run, precision=precision, say=say)
            fits[name].append(found)
            answers = logits(found.network, unseen, chosen.test_views).argmax(dim=1).cpu().numpy()
            counts = scores.confusion(test.labels, answers, len(test.classes))
            about = {"train_n": len(train), "val_n": len(val) if hold_out else 0, "precision": precision, "data": data}
            rows.append(_row(found, chosen, counts) | about)
    command = _command(data, network, given, width, hold_out, seeds, device, precision)
    study = Study(command, data, _origin(dataset.origin, hold_out), fits, settings, rows, machine(device))
    if out is not None:
        study.save(out)
    return study


def _long_enough(settings: Settings, n: int) -> Settings:
    return dataclasses.replace(settings, epochs=max(settings.epochs, -(-LEAST_SEEN // n)))


def _origin(origin: str, hold_out: float) -> str:
    return origin if hold_out else origin.partition("; val:")[0]


def _row(found: Fit, settings: Settings, counts: scores.Counts) -> Row:
    weights = [value for value in found.network.parameters() if value.requires_grad]
    return complete(
        {
            "method": "cnn", "model": settings.network, "seed": found.seed, "split": "test", "n": int(counts.sum()),
            "top1": scores.accuracy(counts), "mean_per_class": float(np.nanmean(scores.recall(counts))),
            "train_seconds": round(found.seconds, 3), "trainable_parameters": sum(value.numel() for value in weights),
            "stored_bytes": sum(v.numel() * v.element_size() for v in found.network.state_dict().values()),
            "train_loss": found.train_loss[-1], "confusion": counts.tolist(), "settings": describe(settings),
        }
    )  # fmt: skip


def _say(what: str) -> Any:
    """Return a function that shows a line over the last one on a terminal, and nothing elsewhere but the ends of epochs."""
    live = sys.stderr.isatty()

    def say(line: str) -> None:
        done = " 100%," in line
        if live or done:
            start = "\r\x1b[K" if live else ""
            print(f"{start}{what}: {line}", end="\n" if done else "", file=sys.stderr, flush=True)

    return say


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _command(
    data: str, network: tuple[str, ...], given: dict[str, Any], width: tuple[int, ...], hold_out: float, seeds: int,
    device: str, precision: str,
) -> str:  # fmt: skip
    parts = [f"coldframe train cnn --data {shlex.quote(data)}", *(f"--network {name}" for name in network)]
    parts += [flags(given).strip()] * bool(given)
    if "better" in network and tuple(width) != BETTER.widths:
        parts += [f"--width {value}" for value in width]
    parts += [f"--hold-out {hold_out}"] * bool(hold_out) + [f"--seeds {seeds}"]
    parts += [f"--device {device}"] * (device != "cpu") + [f"--precision {precision}"] * (precision != "fp32")
    return " ".join(parts)
