"""Runs behind a leading axis against the ordinary loop, on a small regression of logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from coldframe.errors import InputError
from coldframe.training import Recipe, train
from coldframe.training.stacked import train_stacked

GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(20, 4, generator=GENERATOR), torch.arange(20) % 3
START = torch.randn(3, 4, generator=GENERATOR)


def alone(recipe: Recipe) -> Tensor:
    weight = START.clone().requires_grad_()
    train({"weight": weight}, lambda items, epoch: functional.cross_entropy(X[items] @ weight.T, Y[items]), 20, recipe)
    return weight.detach()


@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_each_run_is_the_ordinary_loop(optimiser: str, schedule: str) -> None:
    first = Recipe(epochs=4, batch_size=6, optimiser=optimiser, schedule=schedule, warmup=1, lr=0.05)  # type: ignore[arg-type]
    recipes = [first, replace(first, lr=0.2, weight_decay=0.3), replace(first, lr=0.01, clip=0.1)]
    weight = START.expand(3, -1, -1).clone().requires_grad_()

    def losses(items: Tensor, epoch: int) -> Tensor:
        return torch.stack([functional.cross_entropy(X[items] @ each.T, Y[items]) for each in weight])

    results = train_stacked({"weight": weight}, losses, 20, recipes)
    for run, recipe in enumerate(recipes):
        torch.testing.assert_close(weight[run].detach(), alone(recipe), rtol=1e-5, atol=1e-6)
        assert results[run].best_epoch == 4 and [line["epoch"] for line in results[run].history] == [1, 2, 3, 4]
        assert results[run].history[-1]["step"] == 16 and results[run].failed == ""


def test_runs_that_differ_in_more_are_refused() -> None:
    first, weight = Recipe(epochs=2), START.expand(2, -1, -1).clone().requires_grad_()
    for other, words in (
        (replace(first, epochs=3), "differ in lr"), (replace(first, seed=1), "differ in lr"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            train_stacked({"weight": weight}, lambda items, epoch: weight.sum((1, 2)), 4, [first, other])
    muon = replace(first, optimiser="muon")
    with pytest.raises(InputError, match="sgd, nesterov, adam, adamw"):
        train_stacked({"weight": weight}, lambda items, epoch: weight.sum((1, 2)), 4, [muon, muon])
    with pytest.raises(InputError, match="at least one training item"):
        train_stacked({"weight": weight}, lambda items, epoch: weight.sum((1, 2)), 0, [first, first])
