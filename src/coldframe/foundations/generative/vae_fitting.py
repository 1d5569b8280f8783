"""Training of the VAE: settings, the loss of a batch as a function of (seed, epoch, batch), and the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.foundations.generative.bounds import elbo_terms, measure, objective
from coldframe.foundations.generative.digits import Digits, to_levels
from coldframe.foundations.generative.likelihoods import LikelihoodName, likelihood
from coldframe.foundations.generative.networks import check_networks
from coldframe.foundations.generative.vae import VAE
from coldframe.training.loop import Result, train
from coldframe.training.recipe import Recipe
from coldframe.training.schedules import Schedule
from coldframe.types import digest_of
from coldframe.values import check_fields

MANY, EPOCHS, STEPS = 10_000, 80, 900
"""From 10,000 pictures on a run has 80 epochs, as in the course; a smaller set is seen as often as makes 900 steps."""


@dataclass(frozen=True)
class Settings:
    """What decides a run besides its data.

    Args:
        latent: D.
        likelihood: ``categorical``, ``bernoulli`` or ``logistic``.
        levels: L; None is 16, and 2 for ``bernoulli``.
        channels: c of the network.
        epochs: passes over the pictures; None follows from their number.
        batch: pictures a step.
        lr: peak learning rate of Adam.
        schedule: course of the learning rate.
        beta: weight of the KL.
        free_bits: bits a latent dimension that cost nothing.
        seed: of weights, order and noise.
    """

    latent: int = 20
    likelihood: LikelihoodName = "categorical"
    levels: int | None = None
    channels: int = 32
    epochs: int | None = None
    batch: int = 128
    lr: float = 1e-3
    schedule: Schedule = "constant"
    beta: float = 1.0
    free_bits: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def check_memory(self, n: int, device: torch.device) -> None:
        """Refuse channels, codes and batches that do not fit, for n training pictures, on a device."""
        outputs = likelihood(self.likelihood, self.levels).outputs
        check_networks(self.channels, self.latent, min(self.batch, n), outputs, codes=2, device=device)

    def model(self) -> VAE:
        """Return the network with its first weights."""
        return VAE(self.latent, kind=self.likelihood, levels=self.levels, channels=self.channels, seed=self.seed)

    def recipe(self, n: int) -> Recipe:
        """Return the settings of the loop for n training pictures."""
        epochs = self.epochs
        if epochs is None:
            epochs = EPOCHS if n >= MANY else math.ceil(STEPS / math.ceil(n / self.batch))
        return Recipe(epochs, self.batch, self.lr, "adam", schedule=self.schedule, seed=self.seed)


def noise(seed: int, epoch: int, items: Tensor, latent: int) -> Tensor:
    """Return the noise of one batch [b, D], a function of (seed, epoch, first item): no epoch has a first item twice."""
    key = digest_of([seed, epoch, int(items[0])])
    return torch.randn(len(items), latent, generator=torch.Generator().manual_seed(int(key[:15], 16)))


def fit(
    model: VAE,
    splits: dict[str, Digits],
    settings: Settings,
    *,
    run: Path | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Result:
    """Train a network in place; it ends at the epoch that is best on the validation pictures.

    The last bias starts at the shares of the grey levels in train. Otherwise the codes would learn them first, and all of them
    would move far to one side.

    Args:
        model: on its device.
        splits: ``train`` and ``val``.
        settings: of the run.
        run: folder of the checkpoint; a run found there goes on where it stood.
        report: called after each epoch with ``epoch``, ``loss`` (nats), ``val`` (minus bits per dimension), ``rec`` and
            ``kl`` (nats, training), and ``seconds``.
    """
    device = model.device
    levels = to_levels(splits["train"].pixels, model.levels).to(device)
    held = splits["val"].pixels
    _start(model, levels)
    sums = torch.zeros(3, dtype=torch.float64)

    def loss(items: Tensor, epoch: int) -> Tensor:
        rec, kl = elbo_terms(model, levels[items], noise(settings.seed, epoch, items, model.latent).to(device))
        sums.add_(torch.tensor([float(rec.detach().sum()), float(kl.detach().sum()), len(items)], dtype=torch.float64))
        return objective(rec, kl, beta=settings.beta, free_bits=settings.free_bits)

    def told(metrics: dict[str, Any]) -> None:
        rec, kl, n = sums.tolist()
        sums.zero_()
        if report is not None:
            report(metrics | {"rec": rec / n, "kl": kl / n})

    key = digest_of(["vae", model.settings, settings.beta, settings.free_bits, digest_of(_fingerprint(levels))])
    recipe = settings.recipe(len(levels))
    model.train()
    result = train(
        dict(model.named_parameters()), loss, len(levels), recipe, run=run, key=key, report=told,
        validate=lambda: -measure(model, held).bits,
    )  # fmt: skip
    model.eval()
    return result


@torch.no_grad()
def _start(model: VAE, levels: Tensor) -> None:
    counts = torch.bincount(levels.flatten().long(), minlength=model.levels).double() + 1
    last = model.decoder[-1]
    assert isinstance(last, nn.ConvTranspose2d) and last.bias is not None
    last.bias.copy_(model.likelihood.constant(counts / counts.sum()))


def _fingerprint(levels: Tensor) -> list[int]:
    """Return numbers that change with the training pictures and their order."""
    weights = torch.arange(1, len(levels) + 1, dtype=torch.int64)
    return [len(levels), int((levels.cpu().flatten(1).sum(dim=1, dtype=torch.int64) * weights).sum())]
