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


def test_each_run_keeps_its_best_epoch_as_the_ordinary_loop_does() -> None:
    first = Recipe(epochs=5, batch_size=6, optimiser="sgd", schedule="linear", warmup=2, lr=0.3)
    recipes = [first, replace(first, lr=0.02), replace(first, lr=1e9, weight_decay=1e9)]
    weight = START.expand(3, -1, -1).clone().requires_grad_()
    seen, truth = X[::2] * 1.5, Y[1::2]

    def score(one: Tensor) -> tuple[float, float]:
        logits = seen @ one.T
        return float((logits.argmax(1) == truth).double().mean()), float(functional.cross_entropy(logits, truth))

    def losses(items: Tensor, epoch: int) -> Tensor:
        return torch.stack([functional.cross_entropy(X[items] @ each.T, Y[items]) for each in weight])

    results = train_stacked({"weight": weight}, losses, 20, recipes, validate=lambda: [score(each) for each in weight.detach()])
    for run, recipe in enumerate(recipes[:2]):
        own = START.clone().requires_grad_()
        expected = train(
            {"weight": own}, lambda items, epoch, own=own: functional.cross_entropy(X[items] @ own.T, Y[items]), 20, recipe,
            validate=lambda own=own: score(own.detach()),
        )  # fmt: skip
        torch.testing.assert_close(weight[run].detach(), own.detach(), rtol=1e-4, atol=1e-5)
        assert results[run].best_epoch == expected.best_epoch
        for mine, theirs in zip(results[run].history, expected.history, strict=True):
            assert mine == pytest.approx({name: theirs[name] for name in mine}, rel=1e-4)
            assert set(mine) == {"epoch", "step", "loss", "lr", "val", "val_loss"}
    assert "not finite in epoch 1 at learning rate 1e+09; the state before training is kept" in results[2].failed
    assert torch.equal(weight[2].detach(), START) and results[2].history == []


def test_a_run_that_bursts_ends_at_its_start_though_the_others_go_on() -> None:
    """Once it was put back and then took the steps of the epochs that were left: its weights were not finite at the end."""
    first = Recipe(epochs=3, batch_size=6, optimiser="sgd", lr=0.1)
    recipes = [first, replace(first, lr=1e9, weight_decay=1e9)]
    for scores in (None, [(0.5, 1.0), (0.5, 1.0)]):
        weight = START.expand(2, -1, -1).clone().requires_grad_()

        def losses(items: Tensor, epoch: int, weight: Tensor = weight) -> Tensor:
            return torch.stack([functional.cross_entropy(X[items] @ each.T, Y[items]) for each in weight])

        results = train_stacked({"weight": weight}, losses, 20, recipes, validate=scores and (lambda scores=scores: scores))
        assert "in epoch 1 " in results[1].failed and torch.equal(weight[1].detach(), START) and not results[0].failed
