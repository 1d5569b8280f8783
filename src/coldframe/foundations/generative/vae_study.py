"""What ``coldframe train vae`` runs, and the result it gives back. Measured figures stand in docs/results/generative.md."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coldframe import files
from coldframe.data.base import OnError
from coldframe.errors import InputError
from coldframe.foundations.generative import digits, saved
from coldframe.foundations.generative.bounds import (
    Measured,
    bits_per_dimension,
    importance_weighted_bound,
    marginal_bits,
    measure,
)
from coldframe.foundations.generative.likelihoods import LikelihoodName
from coldframe.foundations.generative.networks import device_named
from coldframe.foundations.generative.vae import VAE
from coldframe.foundations.generative.vae_fitting import Settings, fit
from coldframe.measures import hardware
from coldframe.measures.hardware import machine
from coldframe.report.study import plain_text, write
from coldframe.results.rows import complete, plain
from coldframe.training.loop import Result
from coldframe.training.schedules import Schedule
from coldframe.types import Row
from coldframe.values import flags
from coldframe.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND_SAMPLES, BOUND_PICTURES = 64, 1_000


@dataclass
class Study:
    """What a run found.

    Args:
        command: what makes it again.
        origin: how the data was split.
        model: the trained network.
        test: the ELBO on test.
        bound: importance-weighted bits per dimension, of so many test pictures with so many samples.
        marginal: bits per dimension of test without a latent.
        result: of the loop.
        row: as in ``results.json``.
        machine: where it ran.
        pictures: test pictures to show, uint8 [N, 28, 28].
    """

    command: str
    origin: str
    model: VAE
    test: Measured
    bound: tuple[float, int, int]
    marginal: float
    result: Result
    row: Row
    machine: dict[str, Any]
    pictures: torch.Tensor = field(repr=False)

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""
        bits, pictures, samples = self.bound
        return {
            "coldframe": __version__,
            "command": self.command,
            "machine": self.machine,
            "rows": [self.row],
            "published": [],
            "origin": self.origin,
            "test": plain(asdict(self.test) | {"bits_per_dimension": self.test.bits}),
            "importance_weighted": {"bits_per_dimension": bits, "pictures": pictures, "samples": samples},
            "marginal_bits_per_dimension": self.marginal,
            "curves": self.result.history,
        }

    def table(self) -> list[list[str]]:
        """Return the printed table: a head, then a line per model of the pixels."""
        bits, pictures, samples = self.bound
        levels = self.model.levels
        most = bits_per_dimension(digits.PIXELS * torch.tensor(float(levels), dtype=torch.float64).log().item())
        lines = [["model of the test pictures", "bits per dimension", "reconstruction", "KL"]]
        lines.append([f"{levels} levels, all alike", f"{most:.3f}", "", ""])
        lines.append(["one distribution per pixel, no latent", f"{self.marginal:.3f}", "", ""])
        terms = [f"{self.test.rec:.1f} nats", f"{self.test.kl:.2f} nats"]
        lines.append([f"VAE, z = {self.model.latent}", f"{self.test.bits:.4f}", *terms])
        lines.append([f"VAE, {samples} weighted samples, {pictures:,} pictures", f"{bits:.4f}", "", ""])
        return lines

    def notes(self) -> list[str]:
        """Return what stands beside the table, a sentence or two each."""
        row = self.row
        each = sorted(self.test.kl_each, reverse=True)
        shown = ", ".join(f"{value:.2f}" for value in each[:5])
        return [
            f"{row['data']}: {self.origin}; {self.test.n:,} test pictures, read once; the epoch ({row['best_epoch']} of "
            f"{row['epochs']}) is chosen on validation.",
            f"{self.test.active} of {self.model.latent} latent dimensions are active (variance of the posterior mean over "
            f"0.01); largest KL: {shown} nats.",
            f"{row['trainable_parameters']:,} parameters, {self.machine['device']}, {hardware.threads(self.machine)}: "
            f"{row['train_seconds']:,.0f} s of training.",
        ]

    def __str__(self) -> str:
        return plain_text(self.table(), self.notes())

    def figures(self) -> dict[str, tuple[str, Figure]]:
        """Return file stem -> (caption, figure)."""
        from coldframe.foundations.generative.vae_drawing import bits_figure, kl_figure, shown

        found = shown(self.model, self.pictures)
        found["curves"] = ("Bits per dimension after each epoch.", bits_figure(self.result.history, self.marginal))
        found["kl"] = ("What each latent dimension tells of a picture.", kl_figure(self.test.kl_each))
        return found

    def save(self, folder: str | Path) -> Path:
        """Write the model, ``results.json``, the figures as PNG and SVG, and ``report.html``; return the folder."""
        saved.save(Path(folder), "vae", self.model.settings, self.model.state_dict())
        return write(folder, "A variational autoencoder of digits", self)


def vae(
    *,
    data: str = "mini:mnist",
    latent: int = 20,
    levels: int | None = None,
    likelihood: LikelihoodName = "categorical",
    channels: int = 32,
    epochs: int | None = None,
    batch: int = 128,
    lr: float = 1e-3,
    schedule: Schedule = "constant",
    beta: float = 1.0,
    free_bits: float = 0.0,
    seed: int = 0,
    device: str | None = None,
    on_error: OnError = "raise",
    download: bool = False,
    every: int = 5,
    out: Path | None = None,
) -> Study:
    """Train a convolutional variational autoencoder of digits, measured in bits per dimension.

    An unfinished run in --out goes on where it stood.

    Args:
        data: mnist, mini:mnist, or any data of 28 x 28 pictures.
        latent: length of a code; with 2 the manifold is drawn.
        levels: grey levels; 16 by default, and 2 for bernoulli.
        likelihood: what the decoder says of a pixel.
        channels: of the first convolution; the others have twice as many.
        epochs: passes over the training pictures; by default 80, and for fewer than 10,000 pictures as many as make 900 steps.
        batch: pictures per step.
        lr: peak learning rate of Adam.
        schedule: course of the learning rate.
        beta: weight of the KL.
        free_bits: bits a latent dimension that cost nothing.
        seed: of weights, order and noise.
        device: cpu or cuda; the GPU where there is one.
        on_error: what to do with images that do not decode: stop before any work, or skip and count them.
        download: fetch data that is not on this machine.
        every: epochs between figures while training.
        out: folder for the model, checkpoints, results.json, figures and report.html.
    """
    settings = Settings(latent, likelihood, levels, channels, epochs, batch, lr, schedule, beta, free_bits, seed)
    if every < 1:
        raise InputError(f"expected figures every 1 or more epochs, found {every}; 5 is usual")
    where = device_named(device)
    dataset = digits.load(data, download=download, on_error=on_error)
    splits = digits.read_all(dataset)
    settings.check_memory(len(splits["train"]), where)
    model = settings.model().to(where)
    recipe = settings.recipe(len(splits["train"]))
    train, test = splits["train"].pixels, splits["test"].pixels
    count = sum(value.numel() for value in model.parameters())
    marginal = marginal_bits(train, test, model.levels)
    _say(
        f"vae: {recipe.epochs} epochs of {-(-len(train) // batch)} steps on {len(train):,} pictures of {data}; z = {latent}, "
        f"{likelihood} over {model.levels} levels, {count:,} parameters; without a latent {marginal:.3f} bits per dimension"
    )
    pictures = test[:: max(1, len(test) // 32)]

    def told(metrics: dict[str, Any]) -> None:
        done, taken = metrics["epoch"], metrics["seconds"]
        left = taken / done * (recipe.epochs - done)
        _say(
            f"epoch {done}/{recipe.epochs}: train rec {metrics['rec']:.1f} + KL {metrics['kl']:.2f} nats, "
            f"val {-metrics['val']:.4f} bits per dimension, {taken:.0f} s, about {left:.0f} s left"
        )
        if out is not None and done % every == 0 and done < recipe.epochs:
            _draw(model, pictures, out)

    result = fit(model, splits, settings, run=out, report=told)
    found = measure(model, test)
    chosen = test[:BOUND_PICTURES]
    bound = bits_per_dimension(-float(importance_weighted_bound(model, chosen, BOUND_SAMPLES).mean()))
    row = complete(
        {
            "method": "vae", "model": f"vae-z{latent}", "data": data, "seed": seed, "split": "test", "n": found.n,
            "train_seconds": round(result.seconds, 3), "trainable_parameters": count,
            "stored_bytes": sum(value.numel() * value.element_size() for value in model.state_dict().values()),
            "bits_per_dimension": found.bits, "val_bits_per_dimension": -(result.best or 0.0), "best_epoch": result.best_epoch,
            "chosen_on": "val", **asdict(settings), "epochs": recipe.epochs, "levels": model.levels,
        }
    )  # fmt: skip
    command = _command(data, settings, recipe.epochs, model.levels)
    weighted = (bound, len(chosen), BOUND_SAMPLES)
    study = Study(command, dataset.origin, model, found, weighted, marginal, result, row, machine(model.device), pictures)
    if out is not None:
        study.save(out)
    return study


def _draw(model: VAE, pictures: torch.Tensor, folder: Path) -> None:
    """Replace the figures of an unfinished run."""
    from coldframe.foundations.generative.vae_drawing import shown
    from coldframe.report.figures.style import as_png

    for name, (_, figure) in shown(model, pictures).items():
        files.write_bytes(folder / f"{name}.png", as_png(figure))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _command(data: str, settings: Settings, epochs: int, levels: int) -> str:
    values = asdict(settings) | {"epochs": epochs, "levels": levels}
    return f"coldframe train vae --data {shlex.quote(data)}{flags(values)}"
