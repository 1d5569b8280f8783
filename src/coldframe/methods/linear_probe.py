"""The linear probe: one matrix on frozen features, its regulariser swept on validation data."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError, SolverWarning
from coldframe.measures.tags import mean_average_precision
from coldframe.methods import solvers
from coldframe.methods.balance import Balance, class_weights, tag_weights
from coldframe.methods.base import Method, Report, holdout
from coldframe.methods.folds import numbered
from coldframe.methods.learning import MOST_SPARE
from coldframe.methods.rows import Features, Rows, changed, evenly, gathered, like, said
from coldframe.types import FEATURES

LOGISTIC_GRID = tuple(10.0 ** (-exponent / 2) for exponent in range(5, 13))
SWEEP_TOLERANCE = 1e-2
"""Of the solutions that are only ranked, in float32; the one that is kept is solved to ``logistic_path``'s own, in float64."""
SPARE_FOLDS = 10
"""Folds over which training images are left out for the temperature."""
PART, LEAST = 32, 20
"""Of features that are read in each step one in so many of each class, at least so many, say where to start."""
RIDGE_GRID = tuple(10.0 ** (-exponent / 2) for exponent in range(13))


class LinearProbe(Method):
    """logits = W f + b on features f; logistic loss (1/N) sum CE + (l2 / 2) ||W||^2, or ridge regression on one-hot targets.

    Features of any scale are solved to the end, a loss within 1e-4 of its minimum as a share of it; ``choices`` says where not.
    Features of more than a sixteenth of memory are read from the store in each step instead of being held; ``choices`` says so.
    The solution for one in 32 of them, which are held, is where the steps start.
    With ``l2="auto"`` the whole path of regularisers is solved on ``train`` and the one with the best top-1 on ``val`` is
    taken (the lower cross-entropy where several are equal). Scores of ridge regression become logits by one factor that
    is fitted on ``val``. Without ``val`` a fifth of ``train`` is held out for both, and joins again after the choice.
    Where images have several labels, CE is the sum of the binary cross-entropies of all labels, with one sigmoid each, and
    the regulariser of the highest mAP is taken.

    Args:
        backbone: any backbone.
        normalise: ``"l2"`` divides features by their length, ``"standard"`` by their standard deviation over ``train``
            after taking off the mean, ``"none"`` leaves them.
        solver: ``"logistic"`` (L-BFGS) or ``"ridge"`` (closed form).
        l2: ``"auto"``, a number, or numbers to choose among.
        refit: False leaves out of a refit, and of what is held out, the images that were chosen on.
        balance: ``loss`` weights each image by N / (K n_k), n_k the size of its class; ``sample`` is the same here, where all
            images are learned from at once. Logistic only.
        at: the cut that is probed; tokens [T, D] and maps [D, H, W] are laid out as one long vector.

    Measured: ``pocket`` on mini:mnist (1,600 training and 400 validation images, 1,000 test images, one seed): 81.1% at
    ``features``, 95.6% at ``block8``, whose tokens keep where things are (bench/pocket.py).

    Source:
        Radford et al. (2021), appendix A.3, for the protocol; scikit-learn for the loss: C = 1 / (N l2).
    """

    name: ClassVar[str] = "linear-probe"
    subject: ClassVar[str] = "the linear probe"
    several: ClassVar[bool] = True
    colour: ClassVar[int | None] = 0
    crosses: ClassVar[bool] = True

    normalise: Literal["l2", "standard", "none"] = "l2"
    solver: Literal["logistic", "ridge"] = "logistic"
    l2: float | Literal["auto"] | Sequence[float] = "auto"
    refit: bool = True
    at: str = FEATURES
    balance: Balance = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.backbone.index(self.at)
        if self.solver == "ridge" and self.balance != "none":
            raise InputError(f"expected the logistic solver with balance={self.balance}, found ridge; leave one of them out")
        self.l2 = self.l2 if isinstance(self.l2, str | float | int) else list(self.l2)
        self._grid = _grid(self.l2, self.solver)
        self.weight, self.bias = torch.zeros(0, 0), torch.zeros(0)
        self._chosen = (self._grid[0], 1.0)
        """The regulariser, and the factor from scores to logits."""
        self._said: dict[str, str] = {}
        """What ``choices`` says of features that are not held in memory."""

    @property
    def cut(self) -> str:
        return self.at

    def warm(self, x: Tensor) -> Tensor:
        x = x.float().flatten(1)
        if self.normalise == "l2":
            x = functional.normalize(x, dim=-1)
        return x @ self.weight.T + self.bias  # [B, K]

    def state(self) -> dict[str, Tensor]:
        return {"weight": self.weight, "bias": self.bias}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weight, self.bias = state["weight"], state["bias"]

    def check_data(self, train: Split, val: Split | None) -> None:
        super().check_data(train, val)
        if train.tags is not None and self.solver == "ridge":
            raise InputError("expected the logistic solver for several labels per image, found ridge; leave solver out")

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._said = {}
        sweep = len(self._grid) > 1 or self.solver == "ridge"
        if not sweep:
            self._solve(train, cold)
            return
        part, held = (train, val) if val is not None else holdout(train)
        x, y = self._features(part, cold)
        mean, spread = self._scale(x)
        x = _scaled(x, mean, spread)
        basis = solvers.Basis.of(x)
        seen, labels = self._features(held, cold)
        l2, chosen, factor = self._choose(x, y, _scaled(seen, mean, spread), labels, len(train.classes), basis, held.name)
        self._chosen = l2, factor
        if part is not train and self.refit:
            self._solve(train, cold, chosen)
        elif self.solver == "logistic":
            self._keep(next(self._path(x, y, len(train.classes), [l2], basis, chosen)), mean, spread)
        else:
            self._keep(chosen, mean, spread)

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {line["l2"]: (line.get("val_top1", line.get("val_map", 0.0)), line["val_loss"]) for line in self.history}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        factor = statistics.geometric_mean([fit._chosen[1] for fit in fits])
        self._chosen = (self._chosen[0] if best is None else float(best), factor)
        self.choices |= {"l2": self._chosen[0]} | ({"factor": factor} if self.solver == "ridge" else {})

    def spare_logits(self, train: Split, cold: ColdPass) -> tuple[Tensor, Tensor] | None:
        """Return logits of the training images over ten folds, by probes that learned from the others with the same l2."""
        labels = torch.from_numpy(train.labels)
        if len(train) > MOST_SPARE or int(torch.bincount(labels).max()) < 2:
            return None
        x, y = self._features(train, cold)
        if not isinstance(x, Tensor):
            return None
        fold, found = numbered(labels, SPARE_FOLDS).to(y.device), torch.zeros(len(y), len(train.classes))
        for number in range(SPARE_FOLDS):
            out = fold == number
            if bool(out.all()) or not bool(out.any()):
                continue
            part = x[~out]
            mean, spread = self._scale(part)
            l2, factor = self._chosen
            others = _scaled(part, mean, spread)
            linear = next(self._path(others, y[~out], len(train.classes), [l2], None))
            found[out.cpu()] = factor * linear(_scaled(x[out], mean, spread)).float().cpu()
        return self._of_several(found, train)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._chosen = float(chosen.choices["l2"]), float(chosen.choices.get("factor", 1.0))
        start = solvers.Linear(chosen.weight, chosen.bias) if self.normalise != "standard" else None
        if self.refit:
            self._solve(both, cold, start)
        else:
            self.weight, self.bias = chosen.weight, chosen.bias

    def _solve(self, split: Split, cold: ColdPass, start: solvers.Linear | None = None) -> None:
        """Learn from all images of a split with the regulariser that is chosen."""
        x, y = self._features(split, cold)
        mean, spread = self._scale(x)
        x = _scaled(x, mean, spread)
        start = start if self.solver == "logistic" else None
        self._keep(next(self._path(x, y, len(split.classes), [self._chosen[0]], None, start)), mean, spread)

    def _scale(self, x: Features) -> tuple[Tensor, Tensor]:
        """Return what is taken off features, and what they are divided by."""
        if self.normalise != "standard":
            row = like(x)[0]
            return torch.zeros_like(row), torch.ones_like(row)
        mean, spread = (x.mean(0), x.std(0, correction=0)) if isinstance(x, Tensor) else x.moments()
        return mean, spread.clamp_min(1e-6)

    def _keep(self, linear: solvers.Linear, mean: Tensor, spread: Tensor) -> None:
        l2, factor = self._chosen
        if linear.left > solvers.TOLERANCE:
            self.choices["not solved to the end"] = said = f"the loss may be {min(linear.left, 1):.2%} above its minimum"
            warnings.warn(
                f"the linear probe on {self.backbone.name} with l2 {l2:g} was not solved to the end: {said}; "
                "normalise='standard' or a larger l2 helps", SolverWarning, stacklevel=2,
            )  # fmt: skip
        self.choices |= {"l2": l2} | self._said
        if self.solver == "ridge":
            self.choices["factor"] = factor
        self.weight = factor * linear.weight / spread
        self.bias = factor * linear.bias - self.weight @ mean

    def _choose(
        self, x: Features, y: Tensor, seen: Features, labels: Tensor, classes: int, basis: solvers.Basis, split: str
    ) -> tuple[float, solvers.Linear, float]:
        best: tuple[tuple[float, float], float, solvers.Linear, float] | None = None
        path: list[dict[str, float]] = []
        solved = self._path(x, y, classes, self._grid, basis, tolerance=SWEEP_TOLERANCE)
        for l2, linear in zip(self._grid, solved, strict=True):
            logits = linear(seen)
            factor = solvers.temperature(logits, labels) if self.solver == "ridge" else 1.0
            if labels.ndim == 1:
                word, value = "val_top1", float((logits.argmax(-1) == labels).float().mean())
                loss = float(functional.cross_entropy(factor * logits, labels))
            else:
                word, value = "val_map", mean_average_precision(logits, labels) or 0.0
                loss = float(functional.binary_cross_entropy_with_logits(logits, labels.to(logits)))
            path.append({"l2": l2, word: value, "val_loss": loss})
            if best is None or (value, -loss) > best[0]:
                best = ((value, -loss), l2, linear, factor)
            elif len(path) > 3 and all(step["val_loss"] > -best[0][1] and step[word] < best[0][0] for step in path[-3:]):
                break
        assert best is not None
        self.history = path
        self.choices = {"chosen on": split, "path": path}
        return best[1], best[2], best[3]

    def _path(
        self,
        x: Features,
        y: Tensor,
        classes: int,
        l2s: Sequence[float],
        basis: solvers.Basis | None,
        start: solvers.Linear | None = None,
        tolerance: float = solvers.TOLERANCE,
    ) -> Iterator[solvers.Linear]:
        if self.solver == "ridge":
            return solvers.ridge_path(x, y, classes, l2s, basis or solvers.Basis.of(x))
        basis = basis or solvers.Basis.of(x)
        rough, begin = tolerance > solvers.TOLERANCE, [start] if start is not None else None
        if begin is None and isinstance(x, Rows):
            some = _part(y)
            begin = list(self._path(x.take(some), y[some], classes, l2s, basis, tolerance=SWEEP_TOLERANCE))
        return solvers.logistic_path(
            x, y, classes, l2s, basis, start=begin, tolerance=tolerance,
            dtype=like(x).dtype if rough else torch.float64, weights=self._weights(y, classes),
            checked=solvers.ROUGHLY if rough else solvers.CHECKED,
        )  # fmt: skip

    def _weights(self, y: Tensor, classes: int) -> Tensor | None:
        """Return the weight of each image [N], or of each of its labels [N, K]; None without balance."""
        if self.balance == "none":
            return None
        return class_weights(y, classes)[y] if y.ndim == 1 else tag_weights(y)

    def _features(self, split: Split, cold: ColdPass) -> tuple[Features, Tensor]:
        x = gathered([cold.activations(self.backbone, split, self.at)])  # [N, D]
        self._said = said(x) or self._said
        if self.normalise == "l2":
            x = changed(x, _unit)
        return x, torch.from_numpy(split.labels if split.tags is None else split.tags).to(self.backbone.device)


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1)


def _scaled(x: Features, mean: Tensor, spread: Tensor) -> Features:
    if not bool(mean.any()) and bool((spread == 1).all()):
        return x
    return changed(x, lambda piece: (piece - mean) / spread)


def _part(y: Tensor) -> Tensor:
    """Return the indices of some items, at equal distances within each class; of labels [N, K] at equal distances."""
    y = y.cpu()
    kinds = [torch.arange(len(y))] if y.ndim == 2 else [(y == label).nonzero().flatten() for label in torch.unique(y)]
    return torch.cat([rows[evenly(len(rows), max(LEAST, len(rows) // PART))] for rows in kinds]).sort().values


def _grid(l2: Any, solver: str) -> tuple[float, ...]:
    if l2 == "auto":
        return LOGISTIC_GRID if solver == "logistic" else RIDGE_GRID
    values = [l2] if isinstance(l2, float | int) else l2
    return tuple(sorted((float(value) for value in values), reverse=True))
