"""What ``coldframe train digit-classifier`` runs: the classifier by whose features samples are measured, made again.

The shipped one is ``coldframe train digit-classifier`` on all 60,000 training images of MNIST, one thread.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coldframe import files
from coldframe.data.base import OnError
from coldframe.foundations.generative import classifier, digits, quality
from coldframe.foundations.generative.classifier import Classifier, DigitNet, signed
from coldframe.foundations.generative.digits import Digits
from coldframe.report.figures.style import line_plot
from coldframe.report.study import page, plain_text, save_figures
from coldframe.results.rows import complete
from coldframe.training.loop import Result, train
from coldframe.training.optimisers import Group
from coldframe.training.recipe import Recipe
from coldframe.version import __version__

ONE_CLASS = 870.0
"""What the control of one class only scores on MNIST: the factor on the features is chosen so."""


def fit(data: Digits, recipe: Recipe, run: Path | None = None, key: str = "") -> tuple[DigitNet, Result]:
    """Train a classifier on every picture of ``data``; the last epoch is kept.

    Args:
        data: pictures of the ten digits.
        recipe: settings; its seed draws the first weights too.
        run: folder of checkpoints.
        key: what tells the data apart.
    """
    network = drawn(recipe.seed)
    decayed = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim <= 1]

    def loss(indices: Tensor, epoch: int) -> Tensor:
        return F.cross_entropy(network(signed(data.pixels[indices])[:, None]), data.labels[indices])

    groups = [Group(decayed), Group(others, decay=False)]
    state: dict[str, Tensor] = dict(network.named_parameters())
    state |= {name: value for name, value in network.named_buffers() if value.is_floating_point()}
    network.train()
    result = train(state, loss, len(data), recipe, groups=groups, run=run, key=key)
    return network.eval(), result


def drawn(seed: int) -> DigitNet:
    """Return a network with weights from N(0, 2 / inputs) and biases of 0."""
    network, generator = DigitNet(), torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def accuracy(judge: Classifier, data: Digits) -> float:
    """Return the share of pictures whose most probable class is their own."""
    _, probabilities = judge.read(data.pixels)
    return float((probabilities.argmax(dim=1) == data.labels).double().mean())


@dataclass
class Trained:
    """What a run gave: its settings, accuracy, losses, the distances that the new features give, and where it is."""

    data: str
    recipe: Recipe
    history: list[dict[str, Any]]
    top1: float
    n: int
    seconds: float
    against: dict[str, Any]
    folder: Path

    @property
    def command(self) -> str:
        """What makes it again."""
        return f"coldframe train digit-classifier --data {self.data} --epochs {self.recipe.epochs} --seed {self.recipe.seed}"

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        count = sum(value.numel() for value in DigitNet().parameters())
        row = {
            "method": "digit-classifier", "model": "convolutional, 64 features", "data": self.data, "seed": self.recipe.seed,
            "split": "test", "n": self.n, "top1": self.top1, "train_seconds": round(self.seconds, 1),
            "trainable_parameters": count, "stored_bytes": (self.folder / classifier.FILE).stat().st_size, **self.against,
        }  # fmt: skip
        machine = {"device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__}
        machine["platform"] = f"{platform.system()} {platform.machine()}"
        return {"coldframe": __version__, "command": self.command, "machine": machine, "rows": [complete(row)],
                "settings": asdict(self.recipe), "history": self.history}  # fmt: skip

    def table(self) -> list[list[str]]:
        """Return the printed table."""
        head = ["pictures against the test images", "Frechet distance"]
        named = {"training images": self.against["floor"]} | {
            name.replace("_", " "): value for name, value in self.against["controls"].items()
        }
        return [head, *([name, f"{value:.1f}"] for name, value in named.items())]

    def notes(self) -> list[str]:
        """Return what stands beside the table."""
        return [
            f"Test accuracy {100 * self.top1:.2f}% of {self.n:,} images, {self.recipe.epochs} epochs, {self.seconds:.0f} s.",
            f"SHA-256 of the weights: {self.against['classifier_sha256']}",
        ]

    def __str__(self) -> str:
        return plain_text(self.table(), [*self.notes(), f"weights: {self.folder / classifier.FILE}"])

    def save(self) -> None:
        """Write ``results.json``, the loss as PNG and SVG, and ``report.html``."""
        curve = ([row["epoch"] for row in self.history], [row["loss"] for row in self.history])
        figure = line_plot({"train": curve}, x_label="epoch", y_label="cross-entropy", title="Training loss")
        files.write_json(self.folder / "results.json", self.results())
        save_figures(self.folder, {"loss": figure})
        shown = {"loss": ("Mean training loss of each epoch.", figure)}
        text = page("The digit classifier", self.table(), self.notes(), shown, self.command)
        files.write_text(self.folder / "report.html", text)


def digit_classifier(
    *,
    data: str = "mnist",
    epochs: int = 4,
    seed: int = 0,
    out: Path = Path("runs/digit-classifier"),
    on_error: OnError = "raise",
    download: bool = False,
) -> Trained:
    """Train the small classifier whose features measure how alike drawn digits and real ones are.

    It learns from all images that are not test images, validation images included, and the test images set the scale of its
    features and its printed accuracy: no choice is made on them. Coldframe comes with one; this makes it again.

    Args:
        data: data set of ten digits, 28 x 28.
        epochs: passes over the training images.
        seed: of the weights and of the order.
        out: folder for the weights, results.json, figures and report.html; a stopped run goes on there.
        on_error: what to do with images that do not decode: stop before any work, or skip and count them.
        download: fetch data that is not on this machine.
    """
    source = digits.load(data, download=download, on_error=on_error)
    splits = digits.read_all(source)
    rest = [splits["train"], splits["val"]]
    everything = Digits(
        torch.cat([part.pixels for part in rest]), torch.cat([part.labels for part in rest]), splits["train"].classes
    )
    test = splits["test"]
    recipe = Recipe(epochs, 100, 3e-3, "adamw", weight_decay=0.01, warmup=100, seed=seed)
    network, result = fit(everything, recipe, out, f"{data}: {source.origin}")
    about = quality.reference(test, everything, judge=Classifier(network, 1.0, "")).controls
    scale = (ONE_CLASS / about["one_class"]) ** 0.5
    classifier.save(out, network, scale, {"data": data, "epochs": epochs, "seed": seed, "training_images": len(everything)})
    judge = classifier.load(out)
    against = quality.reference(test, everything, judge=judge).as_dict()
    history = result.history
    trained = Trained(data, recipe, history, accuracy(judge, test), len(test), result.seconds, against, out)
    trained.save()
    return trained
