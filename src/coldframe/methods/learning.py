"""How every method is fitted: on stored activations, its choices on validation images, and once more on both together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.data.joined import Joined
from coldframe.measures import tags
from coldframe.methods.calibrated import HeldOut
from coldframe.methods.contract import CALIBRATION, THRESHOLDS
from coldframe.methods.scoring import Scoring

Report = Callable[[dict[str, Any]], None]
MOST_SPARE = 10_000
"""Training images up to which they are left out for the temperature; from there on there are enough others."""
FEW = 500
"""Validation images below which the temperature is chosen on training images too, where a method leaves them out cheaply."""


class Learning(Scoring):
    """The fit of every method; see :class:`coldframe.methods.base.Method`."""

    @abstractmethod
    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        """Learn from ``train``; choose on ``val`` where there is one."""

    def fit(
        self,
        train: Split,
        val: Split | None = None,
        *,
        cold: ColdPass | None = None,
        run: str | Path | None = None,
        report: Report | None = None,
        refit: bool = False,
    ) -> Self:
        """Learn from ``train``; make choices on ``val``, which nothing is learned from unless ``refit`` asks for it.

        Args:
            train: what is learned from.
            val: what choices are made on; without it, methods that choose hold out a part of ``train``.
            cold: how cold activations are computed and kept; the user's store when None.
            run: folder of checkpoints and metrics; an unfinished run found there goes on where it stood.
            report: called with the metrics of each epoch, for methods that have epochs.
            refit: learn once more from ``train`` and ``val`` together, see :meth:`refitted`.

        Returns:
            self.
        """
        held = val if val is not None and len(val) else None
        self.check_data(train, held)
        self.classes = train.classes
        cold, folder = cold or ColdPass(), Path(run) if run is not None else None
        found = self._settings_found(train, held, cold)
        self._fit(train, held, cold, folder, report)
        self.choices |= found
        self.choices["images"] = {"train": len(train), "val": 0 if held is None else len(held)}
        if train.tags is None:
            self.calibrate(train, held, cold)
        else:
            self.choose_thresholds(train if held is None else held, cold)
        if refit and held is not None:
            other = self.refitted(train, held, cold=cold, run=folder, report=report)
            self.load_state({name: value.clone() for name, value in other.state().items()})
            self.choices = other.choices
        return self

    def calibrate(self, train: Split, held: Split | None, cold: ColdPass) -> None:
        """Choose the temperature on ``held``, else on ``train`` where the method has answers without each image itself.

        Where ``held`` is small, :meth:`spare_logits` of ``train`` join it.
        """
        logits = self.out_of_sample_logits(train, cold) if held is None else self.logits(held, cold=cold)
        labels = torch.from_numpy((train if held is None else held).labels)
        if held is None and logits is not None:
            logits, labels = self._of_several(logits, train) or (None, labels)
        spare = self.spare_logits(train, cold) if held is not None and len(held) < FEW else None
        on = "left-out training images" if held is None else "validation images"
        self.keep_held(logits, labels, on if spare is None else f"{on} and left-out training images", spare)

    def keep_held(
        self, logits: Tensor | None, labels: Tensor, on: str, spare: tuple[Tensor, Tensor] | None = None
    ) -> None:
        """Choose the temperature on logits [N, K] of images that had no part in learning; none where there are no logits.

        Args:
            logits: of these images.
            labels: [N].
            on: which images they are.
            spare: logits [M, K] and labels [M] of others, on which the temperature is chosen too.
        """
        self.validated = None
        self.choices.pop(CALIBRATION, None)
        if logits is not None and bool(torch.isfinite(logits).all()):
            self.validated, divisor = HeldOut.of(logits, labels, spare)
            images = len(labels) + (0 if spare is None else len(spare[1]))
            self.choices[CALIBRATION] = {"temperature": divisor, "on": on, "images": images}

    def spare_logits(self, train: Split, cold: ColdPass) -> tuple[Tensor, Tensor] | None:
        """Return logits [M, K] of training images by models that did not learn from them, and labels [M]; None without any."""
        return None

    @staticmethod
    def _of_several(logits: Tensor, train: Split) -> tuple[Tensor, Tensor] | None:
        """Return logits and labels of images that are not alone in their class: without it, nothing knows the class."""
        labels = torch.from_numpy(train.labels)
        several = torch.bincount(labels)[labels] > 1
        return (logits[several], labels[several]) if bool(several.any()) else None

    def choose_thresholds(self, split: Split, cold: ColdPass) -> None:
        """Choose the probability from which each label is given, with the highest F1 on a split's images."""
        assert split.tags is not None
        self.choices[THRESHOLDS] = [0.5] * len(self.classes)
        found = self.probabilities(self.logits(split, cold=cold))
        self.choices[THRESHOLDS] = tags.thresholds(found, split.tags)
        self.choices["thresholds chosen on"] = split.name

    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        """Return logits of the training images [N, K], none of which had a part in its own; None where there are none."""
        return None

    def refitted(
        self, train: Split, val: Split, *, cold: ColdPass | None = None, run: Path | None = None, report: Report | None = None
    ) -> Self:
        """Return a copy that learned from ``train`` and ``val`` together, with all that was chosen kept.

        One rule for all methods: settings that were chosen on ``val`` stay, and a method that is trained by epochs runs the
        number of epochs that was chosen, on the same schedule. Where the start was kept, nothing is learned.

        Args:
            train: what this object learned from.
            val: what its choices were made on.
            cold: see :meth:`fit`.
            run: the folder that was given to :meth:`fit`; the second run keeps its checkpoints in ``refit`` inside.
            report: see :meth:`fit`.
        """
        self._check_fitted()
        labels = np.concatenate([train.labels, val.labels])
        held = None if train.tags is None or val.tags is None else np.concatenate([train.tags, val.tags])
        both = Split("train and val", Joined([train.images, val.images]), labels, self.classes, tags=held)
        other = self.again()
        other.classes = self.classes
        other._refit(self, both, cold or ColdPass(), None if run is None else run / "refit", report)
        other.choices = {**self.choices, "refit on train and val": True}
        other.history, other.validated = self.history, self.validated
        return other

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        """Learn from all labelled images with what ``chosen``, a fitted copy, has chosen. Here: nothing was."""
        self._fit(both, None, cold, run, report)

    def _settings_found(self, train: Split, val: Split | None, cold: ColdPass) -> dict[str, Any]:
        """Settle the settings that were left open; return them as ``settled`` and what was tried as ``search``."""
        return {}


def holdout(train: Split, share: float = 0.2, seed: int = 0) -> tuple[Split, Split]:
    """Split a training set by class into two, for methods that must choose and were given no validation images."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.from_numpy(train.labels)
    kept, held = [], []
    for label in torch.unique(labels):
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = round(share * len(rows))
        held.append(rows[:count])
        kept.append(rows[count:])
    return (
        train.subset(torch.cat(kept).sort().values.numpy()),
        train.subset(torch.cat(held).sort().values.numpy(), "held-out train"),
    )
