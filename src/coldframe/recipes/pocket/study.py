"""What ``coldframe train pocket`` runs, and the result it gives back. ``docs/pocket.md`` says what has been measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from coldframe import files
from coldframe.backbones import pocket as backbone
from coldframe.backbones.pocket import Shape
from coldframe.errors import InputError
from coldframe.files.reading import typed
from coldframe.recipes.pocket.corpus import CLASSES
from coldframe.recipes.pocket.state import read_average, read_log, read_state
from coldframe.recipes.pocket.train import MEAN, STD, TEMPLATE, Config, Run, pictures_of
from coldframe.recipes.pocket.vocabulary import vocabulary
from coldframe.report.figures.style import line_plot
from coldframe.report.study import page, save_figures
from coldframe.results.rows import complete
from coldframe.version import __version__


def about(shape: Shape) -> dict[str, Any]:
    """Return the description of pocket without weights, as ``backbones/weights/pocket.json`` has it."""
    trained, spelt = vocabulary()
    return {"sha256": None, "shape": asdict(shape), "mean": list(MEAN), "std": list(STD), "trained": trained, "spelt": spelt}


def export(run: Path, folder: Path) -> Path:
    """Write the averaged weights of a run's newest state, finished or not; return their path.

    Args:
        run: folder of the state.
        folder: where ``pocket.safetensors`` and ``pocket.json`` go.
    """
    if not (run / "state.json").is_file():
        raise InputError(f"expected the state of a run in {run}, found none; train first with: coldframe train pocket")
    shape = typed(read_state(run).fixed.get("shape"), Shape, f"{run / 'state.json'}, shape")
    weights, step = read_average(run)
    return backbone.write(folder, weights, {**about(shape), "step": step})


@dataclass
class Trained:
    """What a run gave.

    Args:
        config: its settings.
        summary: steps, images seen, seconds and the accuracy on the held-out images.
        log: the lines of its log.
        weights: the file that ``pocket@PATH`` loads.
    """

    config: Config
    summary: Mapping[str, Any]
    log: list[dict[str, Any]]
    weights: Path

    @property
    def command(self) -> str:
        """What makes it again."""
        c = self.config
        length = f"--minutes {c.minutes:g}" if c.epochs is None else f"--epochs {c.epochs:g}"
        length += f" --teacher-minutes {c.teacher_minutes:g}"
        return f"coldframe train pocket {length} --batch-size {c.batch} --lr {c.lr:g} --seed {c.seed} --device {c.device}"

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        rows = [self._row(name, title) for name, title in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100"))]
        machine = {"device": self.config.device, "threads": torch.get_num_threads(), "torch": torch.__version__}
        machine["platform"] = f"{platform.system()} {platform.machine()}"
        return {"coldframe": __version__, "command": self.command, "machine": machine, "rows": rows}

    def _row(self, name: str, title: str) -> dict[str, Any]:
        row = {
            "method": "zero-shot",
            "model": "pocket",
            "data": f"{title} (JPEG), held-out training images",
            "seed": self.config.seed,
            "split": "val",
            "n": self.summary["n"][name],
            "top1": self.summary["val"][name],
            "train_seconds": self.summary["seconds"],
            "steps": self.summary["steps"],
            "images_seen": self.summary["seen"],
            "template": TEMPLATE,
        }
        return complete(row)

    def table(self) -> list[list[str]]:
        """Return the printed table: a head and one line."""
        s = self.summary
        head = ["zero-shot, held-out CIFAR-10", "held-out CIFAR-100", "steps", "images seen", "seconds"]
        found = [f"{100 * s['val'][name]:.1f}" for name in ("cifar10", "cifar100")]
        return [head, [*found, f"{s['steps']:,}", f"{s['seen']:,}", f"{s['seconds']:.0f}"]]

    def __str__(self) -> str:
        pairs = ", ".join(f"{name} {value}" for name, value in zip(*self.table(), strict=True))
        return f"{pairs}\nweights: load them as pocket@{self.weights}"

    def save(self, folder: Path) -> None:
        """Write ``results.json``, the curve as PNG and SVG, and ``report.html``."""
        drawn = {}
        for name, title in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100")):
            curve = [(line["seen"] / 1e6, line["val"][name]) for line in self.log if name in line.get("val", {})]
            drawn[f"{title}, 1,000 held-out images"] = ([x for x, _ in curve], [y for _, y in curve])
        figure = line_plot(drawn, x_label="images seen, millions", y_label="top-1", percent=True, title="Training of pocket")
        figures = {"curve": ("Zero-shot accuracy of the averaged weights while training.", figure)}
        files.write_json(folder / "results.json", self.results())
        save_figures(folder, {"curve": figure})
        notes = ["Images of the official test split are not read here.", "docs/pocket.md is the model card."]
        files.write_text(folder / "report.html", page("Training of pocket", self.table(), notes, figures, self.command))


def pocket(
    *,
    out: Path = Path("runs/pocket"),
    minutes: float = Config.minutes,
    epochs: float | None = None,
    teacher_minutes: float = Config.teacher_minutes,
    batch: int = Config.batch,
    lr: float = Config.lr,
    seed: int = Config.seed,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Trained:
    """Train the small vision-language model on captions made from the training images of CIFAR-10 and CIFAR-100.

    A run that was killed goes on from its last state in ``out``; a longer run goes on from a finished one.

    Args:
        out: folder of the state, the log, the weights, results.json, the curve and report.html.
        minutes: length by the clock; the schedule follows it, so that a busy machine gets fewer steps.
        epochs: length in passes over the 93,000 images, in place of minutes; repeatable to the bit on a CPU.
        teacher_minutes: how long a convolutional teacher learns first; 0 for none. It needs a GPU to be worth its time.
        batch: images a step.
        lr: learning rate of the image tower's matrices.
        seed: of weights, order, augmentation and captions.
        device: cpu or cuda.
    """
    if minutes <= 0 or (epochs is not None and epochs <= 0) or batch < 1 or lr <= 0:
        raise InputError(f"expected minutes, epochs, batch and lr above 0, found {minutes}, {epochs}, {batch} and {lr}")
    if teacher_minutes < 0:
        raise InputError(f"expected teacher_minutes of 0 or more, found {teacher_minutes}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a GPU for --device cuda, found none; leave the option out")
    config = Config(
        out=out, minutes=minutes, epochs=epochs, teacher_minutes=teacher_minutes, batch=batch, lr=lr, seed=seed, device=device
    )
    train, val = pictures_of(config.shape.size)
    summary = Run(config, train, val).go()
    log = read_log(out / "log.jsonl")
    ten = int((val.labels < len(CLASSES)).sum())
    n = {"cifar10": ten, "cifar100": len(val) - ten}
    trained = Trained(config, {**summary, "n": n}, log, export(out, out))
    trained.save(out)
    return trained
