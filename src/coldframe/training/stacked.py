"""Several runs of one recipe at once: their parameters stand behind a leading axis, and only rates and decays differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.training.loop import Result, better, order
from coldframe.training.recipe import Recipe
from coldframe.training.schedules import factor

OPTIMISERS = ("sgd", "nesterov", "adam", "adamw")
"""Those whose step is a number's own affair, so that runs beside each other do not mix."""


def train_stacked(
    parameters: Mapping[str, Tensor],
    losses: Callable[[Tensor, int], Tensor],
    n: int,
    recipes: Sequence[Recipe],
    *,
    validate: Callable[[], Sequence[tuple[float, float]]] | None = None,
) -> list[Result]:
    """Train S runs in place; each ends where :func:`coldframe.training.loop.train` would have ended it alone, to rounding.

    A run whose loss or weights stop being finite is put back to its best state so far, and says so in ``failed``; the others
    go on.

    Args:
        parameters: what is trained, by name, each [S, ...].
        losses: (indices [b], epoch) -> mean losses of these items [S]; run s may depend on row s of the parameters alone.
        n: number of training items.
        recipes: one a run; they may differ in ``lr``, ``weight_decay`` and ``clip``.
        validate: returns (value, loss) of each run, larger values and among equals lower losses being better.

    Raises:
        InputError: the recipes differ in something else, or the optimiser mixes runs.
    """
    first = recipes[0]
    if n < 1:
        raise InputError(f"expected at least one training item, found n={n}")
    if any(replace(each, lr=first.lr, weight_decay=first.weight_decay, clip=first.clip) != first for each in recipes):
        raise InputError("expected runs beside each other to differ in lr, weight_decay and clip alone, found others")
    if first.optimiser not in OPTIMISERS or first.patience is not None:
        found = f"{first.optimiser}{' with patience' if first.patience is not None else ''}"
        raise InputError(f"expected one of {', '.join(OPTIMISERS)} without patience for runs beside each other, found {found}")
    steps = math.ceil(n / first.batch_size)
    total = steps * first.epochs
    warmup = min(first.warmup, total // 10)
    optimiser = _Steps(parameters, recipes)
    results = [Result() for _ in recipes]
    best = {name: value.detach().clone() for name, value in parameters.items()}
    alive = torch.ones(len(recipes), dtype=torch.bool)
    step = 0
    for epoch in range(first.epochs):
        permutation = order(first.seed, epoch, n)
        sums, rate = torch.zeros(len(recipes), dtype=torch.float64), 0.0
        for at in range(0, n, first.batch_size):
            items = permutation[at : at + first.batch_size]
            rate = factor(first.schedule, step, total, warmup)
            each = losses(items, epoch)
            gradients = torch.autograd.grad(each.sum(), list(parameters.values()))
            optimiser.step(gradients, rate)
            sums += each.detach().double().cpu() * len(items)
            step += 1
        now = alive & sums.isfinite() & _finite(parameters)
        _end(results, alive & ~now, recipes, epoch)
        alive = now
        if not bool(alive.any()):
            break
        values = validate() if validate is not None else None
        for run in alive.nonzero().flatten().tolist():
            metrics = {"epoch": epoch + 1, "step": step, "loss": float(sums[run]) / n, "lr": recipes[run].lr * rate}
            result = results[run]
            if values is not None:
                metrics |= {"val": float(values[run][0]), "val_loss": float(values[run][1])}
                if better(metrics["val"], metrics["val_loss"], result.best, result.best_loss):
                    result.best, result.best_loss, result.best_epoch = metrics["val"], metrics["val_loss"], epoch + 1
                    _copy(best, parameters, run)
            result.history.append(metrics)
    for run, result in enumerate(results):
        if validate is not None or result.failed:  # a run that failed took the later steps of the others, too
            _copy(parameters, best, run)
        if not result.failed:
            result.best_epoch = result.best_epoch or first.epochs
    return results


def _finite(parameters: Mapping[str, Tensor]) -> Tensor:
    rows = [value.detach().flatten(1).isfinite().all(1).cpu() for value in parameters.values()]
    return torch.stack(rows).all(0)


@torch.no_grad()
def _copy(into: Mapping[str, Tensor], source: Mapping[str, Tensor], run: int) -> None:
    for name, value in into.items():
        value[run] = source[name][run]


def _end(results: Sequence[Result], gone: Tensor, recipes: Sequence[Recipe], epoch: int) -> None:
    """Say which runs are no longer finite, and which of their states is kept."""
    for run in gone.nonzero().flatten().tolist():
        kept = f"the state after epoch {results[run].best_epoch}" if results[run].best_epoch else "the state before training"
        results[run].failed = (
            f"the loss or a weight was not finite in epoch {epoch + 1} at learning rate {recipes[run].lr:g}; {kept} is kept: "
            "choose a smaller learning rate"
        )


class _Steps:
    """The steps of torch's SGD, Adam and AdamW with a rate, a decay and a largest norm of its own for each run."""

    def __init__(self, parameters: Mapping[str, Tensor], recipes: Sequence[Recipe]) -> None:
        self.parameters, self.recipe, self.count = list(parameters.values()), recipes[0], 0
        self.first = [torch.zeros_like(value) for value in self.parameters]
        self.second = [torch.zeros_like(value) for value in self.parameters]
        self.lr = torch.tensor([each.lr for each in recipes], dtype=torch.float64)
        self.decay = torch.tensor([each.weight_decay for each in recipes], dtype=torch.float64)
        self.clip = torch.tensor([math.inf if each.clip is None else each.clip for each in recipes], dtype=torch.float64)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        self.count += 1
        if bool(self.clip.isfinite().any()):
            norm = torch.stack([g.flatten(1).norm(dim=1).double().cpu() for g in gradients]).norm(dim=0)
            factors = (self.clip / (norm + 1e-6)).clamp_max(1.0)
            gradients = [g * self._rows(factors, g) for g in gradients]
        for place, (value, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            lr, decay = self._rows(self.lr * rate, value), self._rows(self.decay, value)
            if self.recipe.optimiser == "adamw":
                value.mul_(1 - lr * decay)
            elif bool((self.decay > 0).any()):
                gradient = gradient + decay * value
            if self.recipe.optimiser in ("adam", "adamw"):
                self._adam(place, value, gradient, lr)
            else:
                self._momentum(place, value, gradient, lr)

    def _adam(self, place: int, value: Tensor, gradient: Tensor, lr: Tensor) -> None:
        first, second = self.first[place], self.second[place]
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        spread = second.sqrt().div_(math.sqrt(1 - 0.999**self.count)).add_(1e-8)
        value.sub_(first / spread * (lr / (1 - 0.9**self.count)))

    def _momentum(self, place: int, value: Tensor, gradient: Tensor, lr: Tensor) -> None:
        held = self.first[place]
        held.mul_(self.recipe.momentum).add_(gradient)
        move = gradient + self.recipe.momentum * held if self.recipe.optimiser == "nesterov" else held
        value.sub_(move * lr)

    @staticmethod
    def _rows(numbers: Tensor, like: Tensor) -> Tensor:
        """Return one number a run in the shape of a parameter [S, 1, ..]."""
        return numbers.to(like.device, like.dtype).view(-1, *(1 for _ in like.shape[1:]))
