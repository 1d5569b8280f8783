"""Runs beside each other end where each would have ended alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import coloured, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.methods.stacked import best_of, fit_stacked

BACKBONE = tiny_clip()
TRAIN, VAL, TEST = coloured(18, 0, "train"), coloured(9, 1, "val"), coloured(12, 2, "test")
PROMPT: dict[str, Any] = {"epochs": 3, "batch_size": 8, "optimiser": "sgd", "weight_decay": 0.0}
CASES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("clap", {"epochs": 6}, [{"lr": 0.03}, {"lr": 0.3, "weight_decay": 0.1}, {"lr": 0.1}]),
    ("taskres", {"epochs": 5, "batch_size": 7}, [{"lr": 0.01, "alpha": 0.3}, {"lr": 0.05}, {"alpha": 1.0}]),
    ("clip-adapter", {"epochs": 4, "augment": "flip"}, [{"lr": 1e-3, "ratio": 0.6}, {"lr": 0.02}, {"clip": 0.01}]),
    ("cross-modal", {"epochs": 5, "schedule": "linear"}, [{"lr": 0.01}, {"lr": 0.05, "text_weight": 0.2}, {"clip": 0.1}]),
    ("cross-modal", {"epochs": 4, "optimiser": "nesterov", "warmup": 2}, [{"lr": 0.01}, {"lr": 0.1, "weight_decay": 0.3}]),
    ("text-prompt", {**PROMPT, "tokens": 2}, [{"lr": 0.01}, {"lr": 0.2}]),
    ("text-prompt", {**PROMPT, "tokens": 2, "class_specific": True, "position": "front"}, [{"lr": 0.01}, {"lr": 0.2}]),
    ("deep-prompt", {**PROMPT, "tokens": 2, "layer": 1, "head": "linear"}, [{"lr": 0.01}, {"lr": 0.2}]),
    ("deep-prompt", {**PROMPT, "tokens": 2, "depth": "all", "position": "front", "readout": "first"}, [{"lr": 0.1}, {"lr": 1}]),
]


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


def made(name: str, shared: dict[str, Any], own: list[dict[str, Any]]) -> list[Any]:
    """Return runs that keep what they learn even where the start is as good."""
    return [method_class(name)(BACKBONE, **{"margin": 0.0, **shared, **each}) for each in own]


@pytest.mark.parametrize(("name", "shared", "own"), CASES)
@pytest.mark.parametrize("chosen", [True, False], ids=["val", "no val"])
def test_stacked_runs_equal_runs_alone(
    name: str, shared: dict[str, Any], own: list[dict[str, Any]], chosen: bool, cold: ColdPass
) -> None:
    val = VAL if chosen else None
    runs = made(name, shared, own)
    assert fit_stacked(runs, TRAIN, val, cold=cold) == [""] * len(own)
    ends = []
    for run, alone in zip(runs, made(name, shared, own), strict=True):
        alone.fit(TRAIN, val, cold=cold)
        assert run.state().keys() == alone.state().keys()
        for key, expected in alone.state().items():
            assert float((run.state()[key] - expected).abs().max()) <= 1e-5 * float(expected.abs().max().clamp_min(1e-3)), key
        expected = alone.logits(TEST, cold=cold)
        assert float((run.logits(TEST, cold=cold) - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
        assert run.choices["epoch"] == alone.choices["epoch"] and len(run.history) == len(alone.history)
        for mine, theirs in zip(run.history, alone.history, strict=True):
            for key in {"loss", "val_loss", "lr"} & theirs.keys():
                assert mine[key] == pytest.approx(theirs[key], rel=1e-4, abs=1e-7)
        ends.append(expected)
    assert all(float((end - ends[0]).abs().max()) > 1e-3 for end in ends[1:]), "the settings make no difference"
    if chosen:
        best = best_of(runs)
        assert all(run.choices["validation"][0] <= best.choices["validation"][0] for run in runs)
        assert best.validated is not None


def test_prompts_that_are_best_left_out_are_left_out_beside_others_too(cold: ColdPass) -> None:
    shared = {**PROMPT, "tokens": 4, "layer": 1, "depth": 1, "init": "normal", "head": "text"}
    own: list[dict[str, Any]] = [{"lr": 1e-6}, {"lr": 0.1}, {"lr": 10.0}]
    zero = method_class("zero-shot")(BACKBONE).fit(TRAIN, cold=cold)
    right_without = Split("val", VAL.images, zero.predict(VAL, cold=cold).numpy(), VAL.classes)
    for val, left_out in ((right_without, 3), (VAL, 0)):
        runs, alone = made("deep-prompt", shared, own), made("deep-prompt", shared, own)
        fit_stacked(runs, TRAIN, val, cold=cold)
        for run, other in zip(runs, alone, strict=True):
            other.fit(TRAIN, val, cold=cold)
            assert run.choices.get("prompts") == other.choices.get("prompts") and run.reached == pytest.approx(other.reached)
            expected = other.logits(TEST, cold=cold)
            assert float((run.logits(TEST, cold=cold) - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
            assert run.divisor == pytest.approx(other.divisor, rel=1e-4)
            assert run.choices["validation"] == run.reached
        assert sum("prompts" in run.choices for run in runs) == left_out


def test_the_start_is_kept_beside_others_where_it_is_kept_alone(cold: ColdPass) -> None:
    for margin in (0.5, 1e6):
        shared, own = {**PROMPT, "tokens": 2, "margin": margin}, [{"lr": 0.01}, {"lr": 0.2}, {"lr": 1.0}]
        runs = made("text-prompt", shared, own)
        fit_stacked(runs, TRAIN, VAL, cold=cold)
        alone = [run.fit(TRAIN, VAL, cold=cold) for run in made("text-prompt", shared, own)]
        assert [run.choices["epoch"] for run in runs] == [run.choices["epoch"] for run in alone]
        assert any(run.choices["epoch"] for run in runs) == (margin < 1)


def test_a_run_that_bursts_does_not_stop_the_others(cold: ColdPass) -> None:
    settings: dict[str, Any] = {"epochs": 4, "optimiser": "sgd", "lr": 0.01, "batch_size": 6}
    burst = {**settings, "lr": 1e9, "weight_decay": 1e9}
    runs = [method_class("cross-modal")(BACKBONE, **each) for each in (settings, burst)]
    failed = fit_stacked(runs, TRAIN, VAL, cold=cold)
    assert failed[0] == "" and "not finite in epoch" in failed[1] and "1e+09" in failed[1]
    assert torch.isfinite(runs[1].logits(TEST, cold=cold)).all() and runs[1].choices["epoch"] == 0
    alone = method_class("cross-modal")(BACKBONE, **settings).fit(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(runs[0].logits(TEST, cold=cold), alone.logits(TEST, cold=cold), rtol=1e-5, atol=1e-4)


def test_little_memory_means_groups_and_the_same_runs(cold: ColdPass, tmp_path: Path) -> None:
    runs, groups = (made("text-prompt", {**PROMPT, "tokens": 2}, [{"lr": 0.01}, {"lr": 0.1}, {"lr": 0.2}]) for _ in range(2))
    fit_stacked(runs, TRAIN, VAL, cold=cold)
    fit_stacked(groups, TRAIN, VAL, cold=cold, memory=1)
    for one, other in zip(runs, groups, strict=True):
        torch.testing.assert_close(one.logits(TEST, cold=cold), other.logits(TEST, cold=cold), rtol=1e-5, atol=1e-4)
    runs[0].save(tmp_path / "run")


def test_what_cannot_stand_beside_each_other_is_one_sentence() -> None:
    clap, taskres = method_class("clap"), method_class("taskres")
    with pytest.raises(InputError, match="found other epochs"):
        fit_stacked([clap(BACKBONE, epochs=3), clap(BACKBONE, epochs=4)], TRAIN)
    with pytest.raises(InputError, match="found taskres"):
        fit_stacked([clap(BACKBONE), taskres(BACKBONE)], TRAIN)
    with pytest.raises(InputError, match="cannot run stacked"):
        fit_stacked([method_class("tip-adapter-f")(BACKBONE)], TRAIN)
    with pytest.raises(InputError, match="without patience"):
        fit_stacked([clap(BACKBONE, patience=2)], TRAIN, VAL)
    with pytest.raises(InputError, match="validation images"):
        best_of([clap(BACKBONE)])
