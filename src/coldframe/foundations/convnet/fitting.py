"""Training of one network from one seed on the one loop of the house, and its answers on unseen pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.errors import DataError, InputError
from coldframe.foundations.convnet.images import SIDE, Pictures
from coldframe.foundations.convnet.networks import Better, NetworkName, Small, build
from coldframe.foundations.convnet.whitening import filters
from coldframe.machine.room import check_fits
from coldframe.training import Group, Optimiser, Recipe, Schedule, train
from coldframe.types import digest_of
from coldframe.values import WIDTH, Number, check_fields

Precision = Literal["fp32", "bf16"]
WHOLE = 500
"""Pictures a pass when nothing is learned."""
PATCHES_OF = 5000
"""Training pictures whose patches give the whitening filters."""


@dataclass(frozen=True)
class Settings:
    """How a network is built and trained.

    Args:
        network: ``plain``, ``batch-norm`` or ``better``.
        epochs: passes over the training pictures.
        batch: B.
        lr: peak learning rate.
        optimiser: by name.
        momentum: of ``sgd``, ``nesterov`` and ``muon``.
        weight_decay: of the filters and the last layer; shifts and biases do not decay.
        schedule: course of the learning rate, stepped at every batch.
        warmup: share of the steps in which the learning rate rises.
        shift: largest shift of a picture in pixels, the border reflected.
        flip: mirror each picture every other epoch.
        label_smoothing: share of each label that is spread over all classes.
        test_views: 1, the picture; 2, its mirror image too; 6, both also shifted by a pixel along the diagonal.
        widths: channels of the groups of ``better``.
    """

    network: NetworkName
    epochs: int
    batch: int
    lr: float
    optimiser: Optimiser
    momentum: float
    weight_decay: float
    schedule: Schedule
    warmup: float
    shift: int
    flip: bool
    label_smoothing: float
    test_views: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.network not in get_args(NetworkName):
            build(self.network, 1, widths=self.widths)
        check_fields(self, own=("network", "widths", "warmup"))
        Number(float, 0, 1).check("warmup", self.warmup)
        object.__setattr__(self, "widths", tuple(WIDTH.check("width", width) for width in self.widths))
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"expected label smoothing of 0 or more and below 1, found {self.label_smoothing}")
        if not 0 <= self.warmup < 1:
            raise InputError(f"expected a warm-up of 0 or more and below 1, a share of all steps, found {self.warmup}")
        if not 0 <= self.shift < SIDE // 2:
            raise InputError(f"expected a shift of 0 to {SIDE // 2 - 1} pixels, found {self.shift}")
        if self.test_views not in (1, 2, 6):
            raise InputError(f"expected 1, 2 or 6 views of a test picture, found {self.test_views}")
        if self.network == "better" and (not self.widths or min(self.widths) < 1 or len(self.widths) > 4):
            raise InputError(f"expected one to four widths of 1 or more, found {list(self.widths)}; give one for each group")

    def recipe(self, seed: int, n: int) -> Recipe:
        """Return the settings of the loop for n pictures."""
        warmup = round(self.warmup * self.epochs * -(-n // self.batch))
        return Recipe(
            self.epochs, self.batch, self.lr, self.optimiser, self.momentum, self.weight_decay, self.schedule, warmup, seed=seed
        )


COURSE = Settings("plain", 10, 128, 4e-3, "adamw", 0.9, 0.01, "cosine", 0.0, 0, False, 0.0, 1, ())
"""The exercise's network; it recommends AdamW and leaves the rest open."""
BETTER = Settings("better", 10, 250, 0.2, "muon", 0.6, 3e-4, "linear", 0.0, 2, True, 0.2, 6, (32, 128, 128))
"""What ``docs/results/convnet.md`` was measured with."""


@dataclass
class Fit:
    """A trained network and its course.

    Args:
        network: with its last weights, ready to answer.
        seed: of weights, order and augmentation.
        before: the first layer's filters before training [F, C, h, w].
        seconds: of training, with reading of batches.
        train_loss: mean over an epoch's batches, as they were met; one value per epoch.
        val_top1: accuracy after each epoch on held-out pictures; empty where none are held out.
        val_loss: mean cross-entropy on them.
    """

    network: Small | Better
    seed: int
    before: Tensor
    seconds: float = 0.0
    train_loss: list[float] = field(default_factory=list)
    val_top1: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)


def fit(
    pictures: Pictures,
    settings: Settings,
    *,
    seed: int = 0,
    val: Pictures | None = None,
    run: Path | None = None,
    precision: Precision = "fp32",
    say: Callable[[str], None] | None = None,
) -> Fit:
    """Train a network where its pictures are.

    The last weights are kept, or with ``val`` those of the epoch with the best accuracy on it, of equals the lowest loss.

    Args:
        pictures: what is learned from.
        settings: of network and training.
        seed: of weights, order and augmentation.
        val: held-out pictures.
        run: folder of the checkpoint; a run found there goes on where it stood.
        precision: of the products; weights and sums stay in float32.
        say: called with a line about once a second.

    Raises:
        DataError: a class has no picture.
        InputError: a batch of one picture with batch normalisation.
        TrainingError: the loss is no longer a number.
    """
    counts = torch.bincount(pictures.labels, minlength=len(pictures.classes)).tolist()
    empty = [name for name, count in zip(pictures.classes, counts, strict=True) if count == 0]
    if empty:
        names = ", ".join(map(repr, empty[:3]))
        raise DataError(f"expected a training image of every class, found none of {names}; add images or take the class out")
    if settings.network != "plain" and settings.batch == 1:
        raise InputError("expected two or more pictures per step for batch normalisation, found batch=1; choose a larger batch")
    _check_memory(settings, min(settings.batch, len(pictures)), pictures.pixels.device)
    network = network_for(pictures, settings, seed)
    found = Fit(network, seed, network.first.detach().clone())
    trained = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    matrices, shifts = _SCALES["muon" if settings.optimiser == "muon" else settings.network]
    groups = [
        Group([value for _, value in trained if value.ndim > 2]),
        Group([value for _, value in trained if value.ndim == 2], scale=matrices),
        Group([value for _, value in trained if value.ndim == 1], scale=shifts, decay=False),
    ]
    parameters = dict(trained) | dict(network.named_buffers())
    varied = settings.shift > 0 or settings.flip
    progress = _Progress(say, len(pictures), settings.epochs)

    def loss(items: Tensor, epoch: int) -> Tensor:
        network.train()
        x = pictures.varied(items, seed, epoch, flip=settings.flip) if varied else pictures.whole(items)  # [B, 3, 32, 32]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
            answers = network(x)
        labels = pictures.labels[items.to(x.device)]
        value = nn.functional.cross_entropy(answers.float(), labels, label_smoothing=settings.label_smoothing)
        progress.add(float(value.detach()), len(items), epoch)
        return value

    def accuracy_and_loss() -> tuple[float, float]:
        assert val is not None
        answers = logits(network, val, settings.test_views)
        right = (answers.argmax(dim=1) == val.labels).double().mean()
        return float(right), float(nn.functional.cross_entropy(answers, val.labels))

    result = train(
        parameters, loss, len(pictures), settings.recipe(seed, len(pictures)), groups=groups, run=run,
        validate=None if val is None else accuracy_and_loss,
        key=_key(pictures, settings, precision) if run is not None else "",
    )  # fmt: skip
    found.seconds = result.seconds
    found.train_loss = [line["loss"] for line in result.history]
    found.val_top1 = [line["val"] for line in result.history if "val" in line]
    found.val_loss = [line["val_loss"] for line in result.history if "val_loss" in line]
    network.eval()
    return found


def _check_memory(settings: Settings, batch: int, device: torch.device) -> None:
    """Refuse widths and batches whose weights and maps do not fit; whatever a step holds beside them is not counted."""
    if settings.network != "better":
        maps = 32 * 26**2 + 64 * (11**2 + 9**2)  # each once as the convolution gives it, and once behind Mish
        check_fits("a batch", batch, lambda images: 8 * images * maps, device=device)
        return

    def needs(widths: Sequence[int], images: int) -> int:
        inputs, weights, maps = 24, 0, 0
        for group, width in enumerate(widths):
            weights, inputs = weights + 9 * width * (inputs + width), width
            maps += width * ((31 >> group) ** 2 + 4 * (31 >> group + 1) ** 2)
        return 4 * (3 * weights + images * maps)  # weights, gradients, momentum; maps are kept for the way back

    widest = max(settings.widths)
    check_fits(
        "a width", widest, lambda width: needs([min(width, each) for each in settings.widths], 2), device=device,
        of=f"in {len(settings.widths)} groups",
    )  # fmt: skip
    of = f"with groups of {', '.join(map(str, settings.widths))} channels"
    check_fits("a batch", batch, lambda images: needs(settings.widths, images), device=device, least=2, of=of)


_SCALES = {"plain": (1.0, 1.0), "batch-norm": (1.0, 1.0), "better": (1.0, 64.0), "muon": (7.5, 0.6)}
"""Learning rates of the last layer and of shifts and biases over that of the filters; 64 is airbench's, as are muon's two in
effect: there the momentum of plain steps is 0.85, here it is that of the filters."""


def _key(pictures: Pictures, settings: Settings, precision: Precision) -> str:
    about = [repr(settings), len(pictures), pictures.labels[:1000].tolist()]
    return digest_of(about if precision == "fp32" else [*about, precision])


def network_for(pictures: Pictures, settings: Settings, seed: int) -> Small | Better:
    """Return the untrained network of one seed in channels-last memory."""
    whitening = filters(pictures.whole(slice(0, PATCHES_OF)).cpu()) if settings.network == "better" else None
    network = build(settings.network, len(pictures.classes), widths=settings.widths, whitening=whitening, seed=seed)
    network.to(pictures.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.no_grad()
def logits(network: nn.Module, pictures: Pictures, views: int = 1) -> Tensor:
    """Return logits of all pictures, averaged over views of each [N, K].

    Args:
        network: takes [B, 3, 32, 32].
        pictures: N of them.
        views: 1, the picture; 2, its mirror image too; 6, both also shifted by one pixel to either end of the diagonal,
            which together weigh as much as the two that are not shifted.
    """
    network.eval()
    parts = []
    for start in range(0, len(pictures), WHOLE):
        x = pictures.whole(slice(start, start + WHOLE))  # [B, 3, 32, 32]
        shifted: Sequence[Tensor] = ()
        if views == 6:
            padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
            shifted = [padded[:, :, :SIDE, :SIDE], padded[:, :, 2:, 2:]]
        centre = _both_ways(network, x) if views > 1 else network(x)
        parts.append((centre + torch.stack([_both_ways(network, v) for v in shifted]).mean(dim=0)) / 2 if shifted else centre)
    return torch.cat(parts)


def _both_ways(network: nn.Module, x: Tensor) -> Tensor:
    answers: Tensor = (network(x) + network(x.flip(3))) / 2
    return answers


class _Progress:
    """A line about once a second: epoch, share of it, the mean loss so far, pictures per second."""

    def __init__(self, say: Callable[[str], None] | None, n: int, epochs: int) -> None:
        self._say, self._n, self._epochs = say, n, epochs
        self._epoch, self._sum, self._seen, self._all = -1, 0.0, 0, 0
        self._started = self._said = time.monotonic()

    def add(self, loss: float, count: int, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch, self._sum, self._seen = epoch, 0.0, 0
        self._sum, self._seen, self._all = self._sum + loss * count, self._seen + count, self._all + count
        now = time.monotonic()
        if self._say is not None and (now - self._said >= 1 or self._seen >= self._n):
            speed = self._all / max(now - self._started, 1e-9)
            share = f"{100 * self._seen // self._n:3d}%"
            self._say(f"epoch {epoch + 1}/{self._epochs} {share}, loss {self._sum / self._seen:.3f}, {speed:,.0f} images/s")
            self._said = now


def describe(settings: Settings) -> dict[str, Any]:
    """Return the settings as ``results.json`` has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(settings).items()}
