"""One training loop for both engines: NumPy, and the PyTorch twin from the same first weights, on the same batches."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError, TrainingError
from coldframe.foundations.mlp.layers import Array, CrossEntropy
from coldframe.foundations.mlp.network import MLP, SGD, train_step
from coldframe.foundations.mlp.normalisation import check_batch
from coldframe.foundations.mlp.pictures import Examples
from coldframe.training.lifetime import Lifetime
from coldframe.training.loop import better
from coldframe.training.schedules import Schedule, factor
from coldframe.values import check_fields

EngineName = Literal["numpy", "torch"]
WHOLE = 1000
"""Images a step when nothing is learned."""


@dataclass(frozen=True)
class Settings:
    """How a network is trained; the defaults are the course's.

    Args:
        epochs: passes over the training images.
        batch: B; a last batch of one image is left out where the network has batch normalisation.
        lr: learning rate of SGD.
        momentum: share of the last step that is kept.
        weight_decay: pull of every parameter to 0.
        schedule: course of the learning rate over all steps.
    """

    epochs: int = 10
    batch: int = 128
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        check_fields(self)


class Engine(Protocol):
    """What the loop needs of NumPy or PyTorch."""

    def step(self, x: Array, labels: NDArray[np.int64], lr: float) -> tuple[float, int]:
        """Take one step; return the mean loss of the batch and how many it had right before the step."""

    def probabilities(self, x: Array) -> Array:
        """Return [B, K] with running averages in place of batch statistics."""

    def read_into(self, network: MLP) -> None:
        """Copy the weights as they are now into ``network``."""


class NumpyEngine:
    """Hand-written passes."""

    def __init__(self, network: MLP, settings: Settings) -> None:
        self.network = network
        self._optimiser = SGD(network.parameters, network.gradients, settings.lr, settings.momentum, settings.weight_decay)

    def step(self, x: Array, labels: NDArray[np.int64], lr: float) -> tuple[float, int]:
        self.network.training = True
        self._optimiser.lr = lr
        return train_step(self.network, self._optimiser, x, labels)

    def probabilities(self, x: Array) -> Array:
        self.network.training = False
        return self.network.forward(x)

    def read_into(self, network: MLP) -> None:
        network.load(self.network.state())


class TorchEngine:
    """The twin: autograd and ``torch.optim.SGD``."""

    def __init__(self, network: MLP, settings: Settings) -> None:
        import torch

        from coldframe.foundations.mlp.twin import torch_twin

        self._twin = torch_twin(network)
        self._optimiser = torch.optim.SGD(
            self._twin.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )

    def step(self, x: Array, labels: NDArray[np.int64], lr: float) -> tuple[float, int]:
        import torch

        from coldframe.foundations.mlp.twin import torch_step

        self._twin.train()
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        return torch_step(self._twin, self._optimiser, torch.from_numpy(x), torch.from_numpy(labels))

    def probabilities(self, x: Array) -> Array:
        import torch

        self._twin.eval()
        with torch.no_grad():
            p: Array = self._twin(torch.from_numpy(x)).softmax(dim=1).numpy()
        return p

    def read_into(self, network: MLP) -> None:
        from coldframe.foundations.mlp.twin import load_from_torch

        load_from_torch(network, self._twin)


@dataclass
class Fit:
    """A trained network and its course. The lists have a value per epoch; fractions are in [0, 1].

    Args:
        network: with the weights of the best epoch.
        epoch: the best by validation accuracy, counted from 1; of equals the one with the lowest validation loss.
        seconds: of training alone.
        train_loss: mean over the epoch's batches, as they were met.
        train_top1: the same.
        val_loss: after the epoch.
        val_top1: after the epoch.
    """

    network: MLP
    epoch: int = 0
    seconds: float = 0.0
    train_loss: list[float] = field(default_factory=list)
    train_top1: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_top1: list[float] = field(default_factory=list)


def fit(
    network: MLP, train: Examples, val: Examples, settings: Settings, *, engine: EngineName = "numpy", seed: int = 0
) -> Fit:
    """Train ``network`` and leave it with the weights of the epoch that is best on ``val``.

    The order of the images is permutation(seed, epoch), the same for both engines.

    Raises:
        DataError: a class has no training image, or the data does not fit the network.
        InputError: a batch of one with batch normalisation, or a training that would take more than ten years.
        TrainingError: the loss is no longer a number.
    """
    train.check_every_class()
    normalised = network.batch_norm and bool(network.hidden)
    if normalised:
        check_batch(min(settings.batch, len(train)))
    if not len(val):
        raise InputError("expected validation images to choose the epoch on, found none; give a larger share to val")
    runner: Engine = NumpyEngine(network, settings) if engine == "numpy" else TorchEngine(network, settings)
    dtype = network.parameters["0.weight"].dtype
    run = Fit(network)
    best: dict[str, Array] = {}
    total, step = settings.epochs * math.ceil(len(train) / settings.batch), 0
    lifetime = Lifetime(total, settings.epochs)
    for epoch in range(settings.epochs):
        loss_sum, right, seen = 0.0, 0, 0
        start = time.perf_counter()
        for rows in _batches(len(train), settings.batch, normalised, seed, epoch):
            lr = settings.lr * factor(settings.schedule, step, total)
            value, correct = runner.step(train.batch(rows, dtype), train.labels[rows], lr)
            if not math.isfinite(value):
                raise TrainingError(f"expected a finite loss, found {value} in epoch {epoch + 1}; lower lr, {settings.lr} now")
            loss_sum, right, seen, step = loss_sum + value * len(rows), right + correct, seen + len(rows), step + 1
            lifetime.check(step)
        run.seconds += time.perf_counter() - start
        run.train_loss.append(loss_sum / seen)
        run.train_top1.append(right / seen)
        p = predict(runner, val, dtype)
        run.val_loss.append(CrossEntropy().forward(p, val.labels))
        run.val_top1.append(float((p.argmax(axis=1) == val.labels).mean()))
        before = (run.val_top1[run.epoch - 1], run.val_loss[run.epoch - 1]) if run.epoch else (None, None)
        if better(run.val_top1[-1], run.val_loss[-1], *before):
            run.epoch = epoch + 1
            runner.read_into(network)
            best = network.state()
    network.load(best)
    network.training = False
    return run


def predict(engine: Engine, data: Examples, dtype: np.dtype[np.generic]) -> Array:
    """Return the probabilities of all rows [N, K]."""
    parts = [engine.probabilities(data.batch(slice(i, i + WHOLE), dtype)) for i in range(0, len(data), WHOLE)]
    floor = np.finfo(parts[0].dtype).tiny
    p: Array = np.maximum(np.concatenate(parts), floor)
    return p


def _batches(n: int, size: int, batch_norm: bool, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    order = np.random.default_rng([seed, 1, epoch]).permutation(n)
    for i in range(0, n, size):
        rows = order[i : i + size]
        if len(rows) > 1 or not batch_norm:
            yield rows
