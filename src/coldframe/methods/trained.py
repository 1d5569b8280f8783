"""What every method with gradients shares: its training settings, and the one way to learn from stored activations."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import Activations, ColdPass
from coldframe.data.base import Split
from coldframe.errors import TrainingError
from coldframe.machine.room import check_fits
from coldframe.methods import trials, views
from coldframe.methods.balance import Balance, Balanced
from coldframe.methods.base import Method, Report, holdout
from coldframe.methods.margin import Validation, gained, gained_over_folds
from coldframe.training import Group, Optimiser, Recipe, Schedule, better, train
from coldframe.training.ranks import here
from coldframe.types import PIXELS

Logits = Callable[[Tensor, int], Tensor]
"""(items [b], epoch) -> logits [b, K]."""
Beside = tuple[Callable[[Tensor], Tensor], Callable[[], Tensor] | None]
"""Of S runs beside each other: activations [B, ...] -> logits [S, B, K], and what is added to each run's loss [S], or None."""


SMALL = 256
"""Images of a batch, and prompt tokens, whose memory is not asked about."""


class Trained(Method):
    """A method that learns by cross-entropy and keeps the epoch that is best on ``val``.

    One rule for all of them: the highest top-1 on ``val``, among equals the lowest cross-entropy. The state before training
    counts as epoch 0, and is left only for a gain on ``val`` of more than ``margin`` standard errors (of McNemar's test; over
    folds, of the differences of the folds). Presets, which keep the best epoch as published, have a margin of 0: then
    the start is one candidate among equals. Without ``val`` the last epoch is kept. A refit runs the epochs that were kept
    once more, on the same schedule, over train and val.

    With ``lr="auto"`` some rates are tried first, in short runs by successive halving that cost no more together than the run
    that follows, see :mod:`coldframe.methods.trials`; the best on ``val`` by the same rule is taken (without ``val``
    on a fifth of the training images, all of which the run then learns from). After ``fit`` the settings are those taken.

    A new one lists its own settings as fields, says at which ``cut`` it enters and what it does there (``warm``), and in
    ``_fit`` makes its tensors and calls :meth:`learn`. :meth:`settle` is for what follows from the learned tensors.

    Args:
        epochs: passes over the training images.
        lr: peak learning rate, or ``auto``.
        batch_size: images in a training step, B.
        optimiser: ``sgd`` (momentum 0.9), ``nesterov``, ``adam``, ``adamw``, ``nadam``, ``radam`` or ``muon``.
        weight_decay: on what is learned.
        schedule: ``cosine``, ``linear`` or ``constant``.
        warmup: steps of linear warm-up; at most a tenth of the run.
        clip: largest norm of the gradient; None leaves it alone.
        balance: for classes of unequal size: ``loss`` weights each image by N / (K n_k), n_k the size of its class;
            ``sample`` draws as many images of each class in an epoch, on average; ``none`` takes images as they are.
        augment: ``none`` or ``flip`` (each image mirrored with probability 1/2, both views stored).
        patience: epochs without a better one on ``val`` before stopping; None never stops early.
        margin: standard errors by which the best epoch must beat the start on ``val``, else the start is kept; 0 takes the
            best.
        seed: decides where training starts, the order of the images and the augmentation.
    """

    crosses: ClassVar[bool] = True
    starts: ClassVar[tuple[Hashable, ...]] = (0,)
    stacks: ClassVar[bool] = False
    """Whether several runs of it can be trained at once; see :func:`coldframe.methods.stacked.fit_stacked`."""
    stackable: ClassVar[tuple[str, ...]] = ()
    """Numbers of its own in which such runs may differ."""
    rates: ClassVar[tuple[float, ...]] = (1e-3, 3e-3, 1e-2, 3e-4)
    """What ``lr="auto"`` tries, the likeliest first."""

    _: KW_ONLY
    epochs: int = 10
    lr: float | Literal["auto"] = 1e-3
    batch_size: int = 32
    optimiser: Optimiser = "adamw"
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    warmup: int = 100
    clip: float | None = None
    balance: Balance = "none"
    augment: views.Augment = "none"
    patience: int | None = None
    margin: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._asked: trials.Settings = {}
        """Settings as they were left open, where the last fit has chosen them."""
        self.recipe = self._recipe()
        self._before: tuple[float, float] | None = None
        """Top-1 and cross-entropy on ``val`` before training."""
        self.reached: trials.Score | None = None
        """The same of what was learned."""
        self._short = False
        """Whether this is one of the runs that choose settings: only its epochs are measured."""
        self._stop: int | None = None
        """Epochs of a refit; None runs all and chooses among them."""

    def _recipe(self) -> Recipe:
        return Recipe(
            epochs=self.epochs, batch_size=self.batch_size, lr=self.rates[0] if self.lr == "auto" else self.lr,
            optimiser=self.optimiser, weight_decay=self.weight_decay, schedule=self.schedule, warmup=self.warmup,
            patience=self.patience, clip=self.clip, seed=self.seed,
        )  # fmt: skip

    def candidates(self) -> list[dict[str, Any]]:
        """Return the settings among which the best on validation images is taken before the run; none are tried of one."""
        return [{"lr": rate} for rate in (self.rates if self.lr == "auto" else (self.lr,))]

    def cost(self, settings: trials.Settings) -> float:
        """Return what an epoch with one of the candidates costs, relative to the others."""
        return 1.0

    def take(self, settings: trials.Settings) -> None:
        super().take(settings)
        self.recipe = self._recipe()

    def _settings_found(self, train: Split, val: Split | None, cold: ColdPass) -> dict[str, Any]:
        self.take(self._asked)
        asked, candidates = self.config(), self.candidates()
        if len(candidates) == 1:
            return {}
        chosen, tried = self._searched(candidates, train, val, cold)
        self._asked = {name: asked[name] for name in chosen}
        self.take(chosen)
        return {"settled": dict(chosen), "search": tried}

    def _searched(
        self, candidates: Sequence[trials.Settings], train: Split, val: Split | None, cold: ColdPass
    ) -> tuple[trials.Settings, list[dict[str, Any]]]:
        """Return the settings to run with, and the short runs that chose them."""
        kept, held = (train, val) if val is not None else holdout(train, seed=self.seed)
        if min(len(kept), len(held)) == 0:
            return candidates[0], []
        cold.prepare(self.backbone, [kept, held], [(cut, view) for cut in self.cuts for view in self.views if cut != PIXELS])

        def attempt(settings: trials.Settings, epochs: int) -> trials.Score:
            try:
                short = self.again(**settings, epochs=epochs)
                short._short = True
                short.fit(kept, held, cold=cold)
            except TrainingError:  # a rate at which the loss overflows
                return -1.0, math.inf
            return short.reached or (-1.0, math.inf)

        return trials.search(candidates, self.epochs, attempt, self.cost)

    def calibrate(self, train: Split, held: Split | None, cold: ColdPass) -> None:
        if not self._short:
            super().calibrate(train, held, cold)

    @property
    def views(self) -> tuple[str, ...]:
        return views.views_of(self.augment)

    def check_data(self, train: Split, val: Split | None) -> None:
        super().check_data(train, val)
        batch = min(self.batch_size, len(train))
        if batch <= SMALL:
            return
        each = self._kept_bytes()
        where = f"for {self.name} on {self.backbone.name}"
        check_fits("a batch", batch, lambda images: images * each, device=self.backbone.device, of=where)

    def _kept_bytes(self) -> int:
        """Return how many bytes a step surely keeps of one image: what enters each part that is run, with its gradient."""
        side, net = self.backbone.preprocess.size, self.backbone
        blank = torch.zeros(1, 3, side, side, device=net.device, dtype=net.dtype)
        with torch.inference_mode():
            found = net.taps(blank, net.cuts[net.index(self.cut) :])
        return 2 * sum(tap.numel() * 4 for tap in found.values())

    def begin(self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        """Make what is trained, as it starts, and return it by name; asked of methods that stack."""
        raise NotImplementedError

    def begin_beside(self, first: Self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        """Return what :meth:`begin` does, for a run beside one that has begun; what both share need not be made again."""
        return self.begin(train_split, cold)

    def beside(self, runs: Sequence[Self], parameters: Mapping[str, Tensor]) -> Beside:
        """Return what runs beside each other answer, from their parameters behind a leading axis [S, ...]."""
        raise NotImplementedError

    def finish(self, learned: dict[str, Tensor]) -> None:
        """Take over what was learned beside other runs."""
        raise NotImplementedError

    def stack_bytes(self, batch: int) -> int:
        """Return about how many bytes a step keeps for one run."""
        return 8 * batch * max(len(self.classes), self.backbone.feature_dim)

    def told(self) -> dict[str, object]:
        """Return what ``choices`` says beside the epoch."""
        return {}

    def conclude(self, val: Split | None, cold: ColdPass) -> bool:
        """Take less than what was learned where that is better on ``val``; called once at the end. Return whether it was."""
        return False

    @classmethod
    def preset(cls, name: str, backbone: Backbone, **changes: Any) -> Self:
        return super().preset(name, backbone, **{"margin": 0.0, **changes})

    def beats(self, score: trials.Score, right: Tensor, before: trials.Score, right_before: Tensor) -> bool:
        """Return whether what was learned is kept rather than what was there before, by their answers on ``val``."""
        return gained(right, right_before) > self.margin if self.margin else better(*score, *before)

    def outdoes(self, values: Sequence[float], before: Sequence[float]) -> bool:
        return not self.margin or gained_over_folds(values, before) > self.margin

    def settle(self) -> None:
        """Compute what follows from the learned tensors once; called before each validation and at the end."""

    def stored(self, split: Split, cold: ColdPass) -> list[Activations]:
        """Return the activations of a split at ``cut``, one for each view."""
        return [cold.activations(self.backbone, split, self.cut, view) for view in self.views]

    def validation(self, val: Split | None, cold: ColdPass) -> Validation | None:
        """Return what measures the method as it is on ``val``; None without images."""
        if val is None:
            return None
        return Validation(self, cold.activations(self.backbone, val, self.cut), torch.from_numpy(val.labels))

    @property
    def settings_tried(self) -> int:
        short = self.choices.get("search") or []
        apart = [{word: value for word, value in row.items() if word not in ("epochs", "val", "val_loss")} for row in short]
        return max(1, sum(row not in apart[:number] for number, row in enumerate(apart)))

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        found: dict[Hashable, tuple[float, float]] = {} if self._before is None else {0: self._before}
        return found | {line["epoch"]: (line["val"], line["val_loss"]) for line in self.history if "val_loss" in line}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        super().adopt(fits, best)
        if best is not None:
            self.choices["epoch"] = int(best)
        if any("wise" in fit.choices for fit in fits):
            self.choices["wise"] = statistics.median(fit.choices["wise"] for fit in fits)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.recipe = replace(self.recipe, patience=None)
        self._stop = int(chosen.choices["epoch"])
        self._fit(both, None, cold, run, report)

    def learn(
        self,
        parameters: Mapping[str, Tensor],
        train_split: Split,
        val: Split | None,
        *,
        cold: ColdPass,
        run: Path | None,
        report: Report | None,
        logits: Logits | None = None,
        stored: Sequence[Activations] | None = None,
        groups: Sequence[Group] | None = None,
        label_smoothing: float = 0.0,
        penalty: Callable[[], Tensor] | None = None,
        note: str = "",
    ) -> None:
        """Train ``parameters`` in place; they end at the epoch that is kept, with ``history`` and ``choices`` set.

        Args:
            parameters: what is trained or kept with it, by name; tensors of integers are kept only.
            train_split: whose labels are learned.
            val: what the epoch is chosen on, or None.
            cold: where activations come from.
            run: folder of checkpoints.
            report: called after each epoch.
            logits: of training items; :meth:`warm` on their stored activations when None.
            stored: the activations of the training images, where they are at hand.
            groups: learning-rate groups; one for all when None.
            label_smoothing: share of the target spread over all classes.
            penalty: what is added to the loss of every step, a scalar; nothing when None.
            note: said behind how the activations come about.
        """
        stored = self.stored(train_split, cold) if stored is None else stored
        labels = torch.from_numpy(train_split.labels).to(self.backbone.device)
        answer = logits or (lambda items, epoch: self.warm(views.drawn(stored, items, epoch, self.seed)))

        balanced = Balanced.of(self.balance, labels, len(self.classes), self.seed)

        def loss(items: Tensor, epoch: int) -> Tensor:
            items = balanced.items(items, epoch)
            logits, truth = answer(items, epoch), labels[items]
            found = functional.cross_entropy(logits, truth, label_smoothing=label_smoothing, reduction=balanced.reduction)
            found = balanced.mean(found, truth)
            return found if penalty is None else found + penalty()

        validate = self.validation(val, cold)
        start = {name: value.detach().clone() for name, value in parameters.items()}
        before = self._before = here().measured(validate) if validate is not None and not self._short else None
        right = validate.right if validate is not None else None
        learned = [value for value in parameters.values() if value.is_floating_point()]
        for value in learned:
            value.requires_grad_(True)
        result = train(
            parameters, loss, len(train_split), self.recipe, groups=groups or [Group(learned)], validate=validate, run=run,
            key=self.key(train_split, val) if run is not None else "", report=report, tensorboard=self.tensorboard,
            stop=self._stop,
        )  # fmt: skip
        for value in learned:
            value.requires_grad_(False)
        epoch = result.best_epoch
        if result.best is not None and result.best_loss is not None:
            self.reached = result.best, result.best_loss
        if before is not None and validate is not None and right is not None:
            reached = here().measured(validate)
            if not here().from_first(lambda: self.beats(reached, validate.right, before, right)):
                epoch, self.reached = 0, before
                with torch.no_grad():
                    for name, value in parameters.items():
                        value.copy_(start[name])
        self.settle()
        self.history = result.history
        self.choices = {"epoch": epoch, "cut": self.cut, "cold": stored[0].note + note}
        if validate is not None and val is not None:
            self.choices["chosen on"] = val.name
