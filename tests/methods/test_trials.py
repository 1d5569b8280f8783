"""Short runs that choose settings: how many, how long, and which is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import split, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError, TrainingError
from coldframe.methods import method_class
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.trials import Score, Settings, search


def rounds(costs: Sequence[float], epochs: int) -> list[tuple[int, int]]:
    """Return (runs, epochs of each) of the rounds of a search, whose candidates cost so much and are better in turn."""
    calls: list[tuple[float, int]] = []

    def attempt(settings: Settings, length: int) -> Score:
        calls.append((settings["cost"], length))
        return settings["place"], 1.0

    candidates = [{"place": float(place), "cost": cost} for place, cost in enumerate(costs)]
    search(candidates, epochs, attempt, lambda settings: float(settings["cost"]))
    assert sum(cost * length for cost, length in calls) <= epochs * min(costs), "the search costs more than the run"
    lengths = list(dict.fromkeys(length for _, length in calls))
    return [(sum(length == other for _, other in calls), length) for length in lengths]


@pytest.mark.parametrize("candidates", [1, 2, 3, 4, 6, 9, 16])
def test_a_search_costs_no_more_than_the_run_and_rounds_grow(candidates: int) -> None:
    for epochs in range(1, 120):
        found = rounds([1.0] * candidates, epochs)
        assert all(later[0] < before[0] and later[1] >= 2 * before[1] for before, later in pairwise(found))
        assert not found or found[0][0] == min(candidates, epochs)
    assert rounds([1] * 4, 10) == [(4, 1), (2, 3)] and rounds([1], 50) == [] and rounds([1] * 4, 20) == [(4, 2), (2, 6)]


def test_candidates_that_cost_more_have_fewer_epochs() -> None:
    for epochs in range(1, 60):
        rounds([1.5, 1.5, 3.5, 3.5], epochs)
    # 15 in all: 10 for one epoch of each, then 5 are left, and two epochs of both last ones would cost 14.
    assert rounds([1.5, 1.5, 3.5, 3.5], 10) == [(4, 1)] and rounds([3.5, 3.5, 1.5, 1.5], 10) == [(4, 1)]
    assert rounds([3.5, 3.5, 1.5, 1.5], 20) == [(4, 1), (2, 6)] and rounds([1.5, 3.5], 3) == []


def test_the_best_of_the_last_round_is_taken_by_accuracy_then_loss() -> None:
    scores: dict[float, dict[int, Score]] = {
        1.0: {1: (0.5, 1.0), 3: (0.9, 1.0)}, 2.0: {1: (0.6, 9.0), 3: (0.8, 0.1)},
        3.0: {1: (0.5, 2.0)}, 4.0: {1: (-1.0, math.inf)},
    }  # fmt: skip
    seen: list[tuple[float, int]] = []

    def attempt(settings: Settings, epochs: int) -> Score:
        seen.append((settings["lr"], epochs))
        return scores[settings["lr"]][epochs]

    best, tried = search([{"lr": rate} for rate in (4.0, 3.0, 1.0, 2.0)], 10, attempt)
    assert best == {"lr": 1.0} and seen == [(4.0, 1), (3.0, 1), (1.0, 1), (2.0, 1), (2.0, 3), (1.0, 3)]
    assert tried[0] == {"lr": 4.0, "epochs": 1} and tried[-1] == {"lr": 1.0, "epochs": 3, "val": 0.9, "val_loss": 1.0}
    # Equals stay in the order of preference; one epoch tries nothing.
    assert search([{"lr": 2.0}, {"lr": 3.0}], 2, lambda *_: (0.5, 1.0))[0] == {"lr": 2.0}
    assert search([{"lr": 2.0}, {"lr": 3.0}], 1, attempt)[0] == {"lr": 2.0} and len(seen) == 6


def test_a_rate_of_any_trained_method_can_be_left_open(tmp_path: Path) -> None:
    cold, train, val = ColdPass(Store(tmp_path)), split(24), split(12, 1)
    method = FineTune(tiny_clip(), layers="head", lr="auto", epochs=8).fit(train, val, cold=cold)
    assert method.lr in FineTune.rates and [row["lr"] for row in method.choices["search"][:4]] == list(FineTune.rates)
    one = FineTune(tiny_clip(), layers="head", epochs=1).fit(train, cold=cold)
    assert (method.settings_tried, one.settings_tried) == (4, 1)
    assert method.choices["settled"] == {"lr": method.lr} and method.recipe.lr == method.lr
    with pytest.raises(InputError, match=r"lr of fine-tune to be a number above 0 .* or auto, found 'fast'"):
        method_class("fine-tune")(tiny_clip(), lr="fast")


def test_a_rate_at_which_the_loss_overflows_loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, train, val = ColdPass(Store(tmp_path)), split(24), split(12, 1)
    monkeypatch.setattr(FineTune, "rates", (1e9, 1e-3))
    settings = {"layers": "last-block", "epochs": 4, "optimiser": "sgd", "schedule": "constant", "warmup": 0}
    method = method_class("fine-tune")(tiny_clip(), lr="auto", **settings).fit(train, val, cold=cold)
    assert method.choices["settled"] == {"lr": 1e-3}
    monkeypatch.setattr(FineTune, "rates", (1e9,))
    with pytest.raises(TrainingError, match="smaller learning rate"):
        method_class("fine-tune")(tiny_clip(), lr="auto", **settings).fit(train, val, cold=cold)
