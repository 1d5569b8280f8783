"""What ``coldframe train aae`` runs, and the result it gives back. docs/adversarial-autoencoder.md has measured figures."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldframe import files
from coldframe.data.base import OnError
from coldframe.errors import InputError
from coldframe.foundations.generative import digits, quality, saved
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.adversarial_fitting import Settings, diagnose, fit
from coldframe.foundations.generative.digits import Digits
from coldframe.foundations.generative.networks import device_named
from coldframe.measures import hardware
from coldframe.measures.hardware import machine
from coldframe.report.study import plain_text, write
from coldframe.results.rows import complete, plain
from coldframe.training.checkpoint import Progress
from coldframe.training.schedules import Schedule
from coldframe.types import Row
from coldframe.values import flags
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        origin: how the data was split.
        model: the trained networks.
        progress: of the loop, its history included.
        found: sample quality, as ``quality.measure`` returns it.
        matched: the diagnostics on test pictures.
        row: as in ``results.json``.
        machine: where it ran.
        test: the test pictures.
    """

    command: str
    origin: str
    model: AAE
    progress: Progress
    found: dict[str, Any]
    matched: dict[str, float]
    row: Row
    machine: dict[str, Any]
    test: Digits = field(repr=False)

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": self.machine,
            "rows": [self.row],
            "published": [],
            "origin": self.origin,
            "quality": plain(self.found),
            "codes_of_test": plain(self.matched),
            "curves": plain(self.progress.history),
        }

    def table(self) -> list[list[str]]:
        """Return the printed table: the samples among the floor and the controls."""
        found = self.found
        lines = [["pictures against the test images", "Frechet distance", "share of noise", "class entropy", "confidence"]]
        own = [f"{found[name]:.3f}" for name in ("share_of_noise", "class_entropy", "confidence")]
        lines.append([f"samples, z = {self.model.latent}", f"{found['frechet']:.1f}", *own])
        lines.append(["training images (floor)", f"{found['floor']:.1f}", f"{found['floor'] / found['controls']['noise']:.3f}"])
        lines[-1] += [f"{found['real_class_entropy']:.3f}", f"{found['real_confidence']:.3f}"]
        for name, value in found["controls"].items():
            lines.append([name.replace("_", " "), f"{value:.1f}", f"{value / found['controls']['noise']:.3f}", "", ""])
        return lines

    def notes(self) -> list[str]:
        """Return what stands beside the table, a sentence or two each."""
        matched, found, row = self.matched, self.found, self.row
        return [
            f"{found['n']:,} pictures on each side of a distance; it depends on that number. Entropy 1: all digits equally "
            "often. Entropy and confidence beside the floor are those of the test images.",
            f"Codes of test images: standard deviation {matched['code_std']:.2f}, length of the mean "
            f"{matched['code_mean']:.2f}, Frechet distance to N(0, 1) {matched['gaussian_distance']:.3f}, sliced Wasserstein "
            f"distance {matched['sliced_wasserstein']:.3f}; the discriminator tells codes from draws in "
            f"{100 * matched['discriminator_accuracy']:.1f}% of cases. Reconstruction: mean squared error "
            f"{matched['error']:.4f} with pixels in [-1, 1].",
            f"{row['trainable_parameters']:,} parameters, {self.progress.epoch} epochs, {self.progress.step:,} steps, "
            f"{row['train_seconds']:,.0f} s, {self.machine['device']}, {hardware.threads(self.machine)}. The last epoch is "
            "kept; nothing is chosen on test.",
            f"Classifier that gives the features: SHA-256 {found['classifier_sha256']}.",
            f"{row['data']}: {self.origin}.",
        ]

    def __str__(self) -> str:
        return plain_text(self.table(), self.notes())

    def figures(self) -> dict[str, tuple[str, Figure]]:
        """Return file stem -> (caption, figure)."""
        from coldframe.foundations.generative.adversarial_drawing import diagnostics, scores, shown

        caption = "Frechet distance of the samples beside the floor and the controls."
        found = {**shown(self.model, self.test), "quality": (caption, scores(self.found))}
        found["diagnostics"] = (
            "After each epoch, on validation pictures. Dotted: where codes and prior agree.", diagnostics(self.progress.history)
        )  # fmt: skip
        return found

    def save(self, folder: str | Path) -> Path:
        """Write the model, ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
        saved.save(Path(folder), "aae", self.model.settings, self.model.state_dict())
        return write(folder, "An adversarial autoencoder", self)


def aae(
    *,
    data: str = "mini:mnist",
    latent: int = 8,
    channels: int = 32,
    weight: float = 0.995,
    epochs: int | None = None,
    batch: int = 64,
    lr: float = 1e-3,
    discriminator_lr: float = 5e-3,
    momentum: float = 0.0,
    schedule: Schedule = "constant",
    noise: float = 0.0,
    seed: int = 0,
    device: str | None = None,
    on_error: OnError = "raise",
    download: bool = False,
    every: int = 5,
    out: Path | None = None,
) -> Study:
    """Train an adversarial autoencoder of digits, and measure what it draws.

    An unfinished run in --out goes on where it stood.

    Args:
        data: mnist, mini:mnist, or any data of ten digits, 28 x 28.
        latent: length of a code; with 2 the codes are drawn by class.
        channels: of the first convolution; the others have twice as many.
        weight: lambda, the share of the reconstruction in the autoencoder's loss; the rest is the discriminator's.
        epochs: passes over the training pictures; by default 100; of fewer than 10,000 pictures as many as make 2,000 steps.
        batch: pictures per step.
        lr: of Adam, for encoder and decoder.
        discriminator_lr: of SGD, for the discriminator.
        momentum: of SGD.
        schedule: course of both learning rates.
        noise: standard deviation of what is added to the codes while training.
        seed: of weights, order and random draws.
        device: cpu or cuda; the GPU where there is one.
        on_error: what to do with images that do not decode: stop before any work, or skip and count them.
        download: fetch data that is not on this machine.
        every: epochs between figures while training.
        out: folder for the model, checkpoints, results.json, figures and report.html.
    """
    settings = Settings(
        latent, channels, weight, epochs, batch, lr, discriminator_lr, momentum, schedule, noise, seed
    )
    if every < 1:
        raise InputError(f"expected figures every 1 or more epochs, found {every}; 5 is usual")
    where = device_named(device)
    dataset = digits.load(data, download=download, on_error=on_error)
    splits = digits.read_all(dataset)
    settings.check_memory(len(splits["train"]), where)
    model = settings.model().to(where)
    test, n = splits["test"], len(splits["train"])
    # Before the training, so that data with too few pictures is refused before it.
    against = quality.reference(test, splits["train"], seed=seed)
    total, count = settings.count(n), sum(value.numel() for value in model.parameters())
    _say(f"aae: {total} epochs of {-(-n // batch)} steps on {n:,} pictures of {data}; z = {latent}, {count:,} parameters")

    def told(metrics: dict[str, Any]) -> None:
        done, taken = metrics["epoch"], metrics["seconds"]
        left = taken / done * (total - done)
        _say(
            f"epoch {done}/{total}: error {metrics['error']:.4f}, codes of std {metrics['code_std']:.2f}, "
            f"{metrics['gaussian_distance']:.3f} and {metrics['sliced_wasserstein']:.3f} from N(0, 1), discriminator "
            f"{100 * metrics['discriminator_accuracy']:.1f}% right, {taken:.0f} s, about {left:.0f} s left"
        )
        if out is not None and done % every == 0 and done < total:
            _draw(model, test, out)

    progress = fit(model, splits, settings, run=out, report=told)
    found = {**against.score(quality.draw(model.decode, latent, against.n, seed)), **against.as_dict()}
    matched = diagnose(model, test.pixels)
    row = complete(
        {
            "method": "aae", "model": f"aae-z{latent}", "data": data, "seed": seed, "split": "test", "n": found["n"],
            "train_seconds": round(progress.seconds, 3), "trainable_parameters": count,
            "stored_bytes": sum(value.numel() * value.element_size() for value in model.state_dict().values()),
            "frechet": found["frechet"], "frechet_floor": found["floor"], "class_entropy": found["class_entropy"],
            "classifier_sha256": found["classifier_sha256"], **matched, **asdict(settings), "epochs": total,
        }
    )  # fmt: skip
    command = _command(data, settings, total)
    study = Study(command, dataset.origin, model, progress, found, matched, row, machine(model.device), test)
    if out is not None:
        study.save(out)
    return study


def _draw(model: AAE, test: Digits, folder: Path) -> None:
    """Replace the figures of an unfinished run."""
    from coldframe.foundations.generative.adversarial_drawing import shown
    from coldframe.report.figures.style import as_png

    for name, (_, figure) in shown(model, test).items():
        files.write_bytes(folder / f"{name}.png", as_png(figure))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _command(data: str, settings: Settings, epochs: int) -> str:
    values = asdict(settings) | {"epochs": epochs}
    return f"coldframe train aae --data {shlex.quote(data)}{flags(values)}"
