"""Training of the adversarial autoencoder: settings, two optimisers, a loop that resumes to the bit, and its diagnostics."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe import files
from coldframe.errors import InputError, TrainingError
from coldframe.foundations.generative.adversarial import AAE, step
from coldframe.foundations.generative.classifier import signed
from coldframe.foundations.generative.digits import Digits
from coldframe.foundations.generative.matching import gaussian_distance, sliced_wasserstein
from coldframe.foundations.generative.networks import check_networks
from coldframe.training import checkpoint
from coldframe.training.checkpoint import Progress
from coldframe.training.lifetime import Lifetime
from coldframe.training.loop import METRICS, order
from coldframe.training.schedules import Schedule, factor
from coldframe.types import digest_of
from coldframe.values import check_fields

MANY, EPOCHS, STEPS = 10_000, 100, 2_000
"""From 10,000 pictures on a run has 100 epochs, as in the course; a smaller set is seen as often as makes 2,000 steps."""
WATCHED = 2_000
"""Validation pictures that the diagnostics of an epoch read."""


@dataclass(frozen=True)
class Settings:
    """What decides a run besides its data; the defaults are the course's.

    Args:
        latent: D.
        channels: c of encoder and decoder.
        weight: lambda, the share of the reconstruction in the autoencoder's loss.
        epochs: passes over the pictures; None follows from their number.
        batch: pictures a step.
        lr: of Adam, for encoder and decoder.
        discriminator_lr: of SGD.
        momentum: of SGD.
        schedule: course of both learning rates.
        noise: standard deviation of what is added to the codes while training.
        seed: of weights, order and random draws.
    """

    latent: int = 8
    channels: int = 32
    weight: float = 0.995
    epochs: int | None = None
    batch: int = 64
    lr: float = 1e-3
    discriminator_lr: float = 5e-3
    momentum: float = 0.0
    schedule: Schedule = "constant"
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.momentum == 1:
            raise InputError("expected momentum from 0 to below 1, found 1; 0 is the course's, 0.9 is usual")

    def check_memory(self, n: int, device: torch.device) -> None:
        """Refuse channels, codes and batches that do not fit, for n training pictures, on a device."""
        check_networks(self.channels, self.latent, min(self.batch, n), 1, codes=1, device=device)

    def model(self) -> AAE:
        """Return the networks with their first weights."""
        return AAE(self.latent, self.channels, self.seed)

    def count(self, n: int) -> int:
        """Return the epochs of a run on n training pictures."""
        if self.epochs is not None:
            return self.epochs
        return EPOCHS if n >= MANY else math.ceil(STEPS / math.ceil(n / self.batch))


class Pair(torch.optim.Optimizer):
    """Two optimisers with one state, so that one checkpoint holds both.

    Args:
        first: any optimiser.
        second: another, of other tensors.
    """

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self.parts = (first, second)
        super().__init__([value for part in self.parts for group in part.param_groups for value in group["params"]], {})
        self._share()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        for part in self.parts:
            part.state = self.state


def optimisers(model: AAE, settings: Settings) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Adam (betas 0.5 and 0.999) of encoder and decoder, and SGD of the discriminator."""
    fast = [*model.encoder.parameters(), *model.decoder.parameters()]
    adam = torch.optim.Adam(fast, settings.lr, betas=(0.5, 0.999), fused=True)
    return adam, torch.optim.SGD(model.discriminator.parameters(), settings.discriminator_lr, settings.momentum)


def draws(settings: Settings, epoch: int, items: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the prior's draws and the noise of one batch [b, D], functions of (seed, epoch, first item)."""
    key = digest_of([settings.seed, epoch, int(items[0])])
    generator = torch.Generator().manual_seed(int(key[:15], 16))
    prior = torch.randn(len(items), settings.latent, generator=generator)
    if not settings.noise:
        return prior, None
    return prior, settings.noise * torch.randn(len(items), settings.latent, generator=generator)


@torch.no_grad()
def diagnose(model: AAE, pictures: Tensor) -> dict[str, float]:
    """Return what says whether codes and prior agree.

    ``discriminator_accuracy`` (0.5: it cannot tell them apart), ``code_mean`` (length of the mean code), ``code_std``,
    ``gaussian_distance`` and ``sliced_wasserstein`` of :mod:`.matching`, and ``error``, the mean squared error of a pixel.

    Args:
        model: the networks.
        pictures: uint8 [N, 28, 28].
    """
    codes = model.encode(pictures)
    prior = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    scores = [model.discriminator(part) for part in (codes.to(pictures.device), prior.to(pictures.device))]
    right = (scores[0] <= 0).sum() + (scores[1] > 0).sum()
    return {
        "discriminator_accuracy": int(right) / (2 * len(codes)),
        "code_mean": float(codes.mean(dim=0).norm()),
        "code_std": float(codes.std(dim=0).square().mean().sqrt()),
        "gaussian_distance": gaussian_distance(codes),
        "sliced_wasserstein": sliced_wasserstein(codes),
        "error": float(F.mse_loss(2 * model.decode(codes) - 1, signed(pictures.cpu()))),
    }


def fit(
    model: AAE,
    splits: dict[str, Digits],
    settings: Settings,
    *,
    run: Path | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
    save_seconds: float = 30.0,
) -> Progress:
    """Train the networks in place and keep the last epoch; a run that is killed and started again ends at the same bits.

    Args:
        model: the networks, on their device.
        splits: ``train`` and ``val``.
        settings: of the run.
        run: folder of the checkpoint and of ``metrics.jsonl``; a run found there goes on where it stood.
        report: called after each epoch with its losses and its diagnostics on validation pictures.
        save_seconds: time between checkpoints; one is written at the end as well.

    Returns:
        Where the run ended; ``history`` has one dict an epoch.

    Raises:
        TrainingError: a loss is not finite.
        InputError: ``run`` holds another run, or the training would take more than ten years.
    """
    device = model.device
    train, held = splits["train"].pixels.to(device), splits["val"].pixels[:WATCHED]
    n, epochs = len(train), settings.count(len(train))
    steps = math.ceil(n / settings.batch)
    pair = Pair(*optimisers(model, settings))
    peaks = [part.param_groups[0]["lr"] for part in pair.parts]
    state, progress = dict(model.named_parameters()), Progress()
    key = digest_of(["aae", model.settings, asdict(settings), epochs, n, int(train.sum(dtype=torch.int64))])
    if run is not None:
        progress, _ = checkpoint.restore(run, key, state, pair) or (progress, None)
        if progress.history or (run / METRICS).exists():
            files.write_text(run / METRICS, "".join(json.dumps(row) + "\n" for row in progress.history))
    saved = started = time.monotonic()
    before, begun = progress.seconds, progress.step
    lifetime = Lifetime(epochs * steps - begun, epochs)
    while progress.epoch < epochs:
        permutation = order(settings.seed, progress.epoch, n)
        for position in range(progress.step - progress.epoch * steps, steps):
            items = permutation[position * settings.batch : (position + 1) * settings.batch]
            rate = factor(settings.schedule, progress.step, epochs * steps)
            for part, peak in zip(pair.parts, peaks, strict=True):
                part.param_groups[0]["lr"] = peak * rate
            prior, noise = draws(settings, progress.epoch, items)
            noise = None if noise is None else noise.to(device)
            x = signed(train[items.to(device)])[:, None]
            total, _, judged = step(model, pair.parts, x, prior.to(device), settings.weight, noise)
            if not math.isfinite(total + judged):
                raise TrainingError(
                    f"expected both losses to stay finite, found {total} and {judged} at step {progress.step + 1} "
                    f"(epoch {progress.epoch + 1}); choose smaller learning rates"
                )
            progress.step += 1
            progress.loss_sum += total * len(items)
            progress.seen += len(items)
            lifetime.check(progress.step - begun)
            progress.seconds = before + time.monotonic() - started
            if run is not None and position + 1 < steps and time.monotonic() - saved >= save_seconds:
                checkpoint.save(run, key, progress, state, pair, None)
                saved = time.monotonic()
        metrics = {"epoch": progress.epoch + 1, "step": progress.step, "loss": progress.loss_sum / progress.seen}
        metrics |= {"lr": pair.parts[0].param_groups[0]["lr"], **diagnose(model, held)}
        progress.seconds = before + time.monotonic() - started
        metrics["seconds"] = round(progress.seconds, 3)
        progress.epoch += 1
        progress.loss_sum, progress.seen = 0.0, 0
        progress.history.append(metrics)
        if run is not None:
            if progress.epoch == epochs or time.monotonic() - saved >= save_seconds:
                checkpoint.save(run, key, progress, state, pair, None)
                saved = time.monotonic()
            files.append_line(run / METRICS, json.dumps(metrics))
        if report is not None:
            report(metrics)
    return progress
